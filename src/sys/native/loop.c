/*
 * The event loop: epoll, pending jobs, and failures that JavaScript did not catch. A failure is passed to the handler
 * that JavaScript has set, and does not by itself end the process: PID 1 must go on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

/* EX_SOFTWARE of sysexits.h: an internal error. */
#define STATUS_INTERNAL 70
/* The module still awaits something that can never happen. Node uses the same number. */
#define STATUS_UNSETTLED 13

/*
 * When QuickJS has no memory to queue a job, it drops the job, and whatever awaits it never continues. A program that
 * may end gets this much time to end by itself after memory ran out: without an event, and in total.
 */
#define IDLE_WITHOUT_MEMORY_MS 1000
#define MOST_WITHOUT_MEMORY_MS 10000

struct rejection {
  JSValue promise;
  JSValue reason;
};

static struct {
  int epoll;
  /* How many things keep the loop running; JavaScript does the counting. */
  int active;
  bool disowned;
  JSValue on_event;
  JSValue on_uncaught;
  /* The main function, called once when all modules have been evaluated. */
  JSValue main;
  bool main_called;
  bool ends_without_memory;
  /* When the loop first noticed that memory had run out. */
  int64_t without_memory_since_ms;
  struct rejection *rejection;
  size_t rejection_count, rejection_room;
} loop = {.epoll = -1};

static void report(JSContext *ctx, JSValue error, const char *origin) {
  if (!JS_IsFunction(ctx, loop.on_uncaught)) {
    engine_print_error(ctx, error);
    _exit(STATUS_INTERNAL);
  }
  JSValue arguments[2] = {error, JS_NewString(ctx, origin)};
  JSValue result = JS_Call(ctx, loop.on_uncaught, JS_UNDEFINED, 2, arguments);
  if (JS_IsException(result)) {
    JSValue second = JS_GetException(ctx);
    engine_print_error(ctx, error);
    if (!JS_IsNull(second))
      engine_print_error(ctx, second);
    JS_FreeValue(ctx, second);
  }
  JS_FreeValue(ctx, result);
  JS_FreeValue(ctx, arguments[1]);
  JS_FreeValue(ctx, error);
}

/* --- rejections: reported if there is no handler when all jobs are done ------------------------------------------- */

static void rejection_add(JSContext *ctx, JSValueConst promise, JSValueConst reason) {
  if (loop.rejection_count == loop.rejection_room) {
    size_t room = loop.rejection_room * 2 + 8;
    struct rejection *grown = realloc(loop.rejection, room * sizeof *grown);
    if (grown == NULL)
      return;
    loop.rejection = grown;
    loop.rejection_room = room;
  }
  loop.rejection[loop.rejection_count++] =
      (struct rejection){.promise = JS_DupValue(ctx, promise), .reason = JS_DupValue(ctx, reason)};
}

static void rejection_remove(JSContext *ctx, JSValueConst promise) {
  for (size_t i = 0; i < loop.rejection_count; i++) {
    struct rejection *found = &loop.rejection[i];
    if (JS_VALUE_GET_PTR(found->promise) != JS_VALUE_GET_PTR(promise))
      continue;
    JS_FreeValue(ctx, found->promise);
    JS_FreeValue(ctx, found->reason);
    memmove(found, found + 1, (loop.rejection_count - i - 1) * sizeof *found);
    loop.rejection_count--;
    return;
  }
}

static void on_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, JS_BOOL handled, void *opaque) {
  (void)opaque;
  if (handled)
    rejection_remove(ctx, promise);
  else
    rejection_add(ctx, promise, reason);
}

static void report_oldest_rejection(JSContext *ctx) {
  struct rejection oldest = loop.rejection[0];
  loop.rejection_count--;
  memmove(loop.rejection, loop.rejection + 1, loop.rejection_count * sizeof oldest);
  report(ctx, oldest.reason, "rejection");
  JS_FreeValue(ctx, oldest.promise);
}

/* Runs all pending jobs, then reports unhandled rejections; both can cause more of either. */
static void drain(JSContext *ctx) {
  JSContext *job_ctx;
  for (;;) {
    int done = JS_ExecutePendingJob(JS_GetRuntime(ctx), &job_ctx);
    if (done < 0)
      report(job_ctx, JS_GetException(job_ctx), "job");
    else if (done == 0 && loop.rejection_count > 0)
      report_oldest_rejection(ctx);
    else if (done == 0)
      return;
  }
}

/* --- the loop ---------------------------------------------------------------------------------------------------- */

int loop_init(JSContext *ctx) {
  loop.on_event = loop.on_uncaught = loop.main = JS_UNDEFINED;
  loop.epoll = epoll_create1(EPOLL_CLOEXEC);
  JS_SetHostPromiseRejectionTracker(JS_GetRuntime(ctx), on_rejection, NULL);
  return loop.epoll < 0 ? -1 : 0;
}

const char *loop_save(JSContext *ctx, JSValue evaluation, struct loop_state *state) {
  drain(ctx);
  if (JS_PromiseState(ctx, evaluation) != JS_PROMISE_FULFILLED)
    return "a module waits for something";
  if (loop.active != 0)
    return "a module keeps the process running";
  if (JS_IsUndefined(loop.main))
    return "nothing is left to do when the modules are evaluated";
  *state = (struct loop_state){.on_event = loop.on_event, .on_uncaught = loop.on_uncaught, .main = loop.main};
  return NULL;
}

int loop_restore(JSContext *ctx, const struct loop_state *state) {
  (void)ctx;
  loop.on_event = state->on_event;
  loop.on_uncaught = state->on_uncaught;
  loop.main = state->main;
  loop.epoll = epoll_create1(EPOLL_CLOEXEC);
  return loop.epoll < 0 ? -1 : 0;
}

void loop_forget_main(JSContext *ctx) {
  JS_FreeValue(ctx, loop.main);
  loop.main = JS_UNDEFINED;
}

static void call_main(JSContext *ctx) {
  JSValue main = loop.main;
  if (JS_IsUndefined(main))
    return;
  loop.main = JS_UNDEFINED;
  loop.main_called = true;
  JSValue result = JS_Call(ctx, main, JS_UNDEFINED, 0, NULL);
  if (JS_IsException(result))
    report(ctx, JS_GetException(ctx), "job");
  JS_FreeValue(ctx, result);
  JS_FreeValue(ctx, main);
}

static int ended_without_memory(void) {
  dprintf(STDERR_FILENO, "kumite: ended before its work was done: out of memory\n");
  return STATUS_INTERNAL;
}

/*
 * Nothing can happen any more. A main function must end its process itself; if it did not, its next step was probably
 * lost for lack of memory.
 */
static int end_of(JSPromiseStateEnum state) {
  if (!loop.main_called)
    return state == JS_PROMISE_FULFILLED ? 0 : STATUS_UNSETTLED;
  return ended_without_memory();
}

/* How long to wait for the next event: -1 for ever, 0 not at all. */
static int patience_ms(void) {
  if (!loop.ends_without_memory || !allocator_has_run_out())
    return -1;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  if (loop.without_memory_since_ms == 0)
    loop.without_memory_since_ms = now_ms;
  int64_t left_ms = loop.without_memory_since_ms + MOST_WITHOUT_MEMORY_MS - now_ms;
  return left_ms < 0 ? 0 : left_ms < IDLE_WITHOUT_MEMORY_MS ? (int)left_ms : IDLE_WITHOUT_MEMORY_MS;
}

void loop_disown(void) {
  loop.disowned = true;
}

static void dispatch(JSContext *ctx, const struct epoll_event *event) {
  JSValue arguments[2] = {JS_NewInt64(ctx, (int64_t)event->data.u64), JS_NewInt64(ctx, event->events)};
  JSValue result = JS_Call(ctx, loop.on_event, JS_UNDEFINED, 2, arguments);
  if (JS_IsException(result))
    report(ctx, JS_GetException(ctx), "handler");
  JS_FreeValue(ctx, result);
  drain(ctx);
}

int loop_run(JSContext *ctx, JSValue evaluation) {
  struct epoll_event events[64];
  call_main(ctx);
  for (;;) {
    drain(ctx);
    if (loop.disowned) {
      dprintf(STDERR_FILENO, "kumite: internal error: a forked child came back to its parent's event loop\n");
      _exit(STATUS_INTERNAL);
    }
    JSPromiseStateEnum state = JS_PromiseState(ctx, evaluation);
    if (state == JS_PROMISE_REJECTED)
      return STATUS_INTERNAL;
    if (loop.active == 0)
      return end_of(state);
    int timeout_ms = patience_ms();
    int count = timeout_ms == 0 ? 0 : epoll_wait(loop.epoll, events, COUNT_OF(events), timeout_ms);
    if (count == 0)
      return ended_without_memory();
    if (count < 0 && errno != EINTR) {
      dprintf(STDERR_FILENO, "kumite: internal error: epoll_wait: %s\n", strerror(errno));
      return STATUS_INTERNAL;
    }
    for (int i = 0; i < count; i++)
      dispatch(ctx, &events[i]);
  }
}

/* --- for JavaScript ---------------------------------------------------------------------------------------------- */

/* setHandlers(onEvent(token, events), onUncaught(error, "handler" | "rejection" | "job")) */
JSValue native_set_handlers(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  if (argc != 2 || !JS_IsFunction(ctx, argv[0]) || !JS_IsFunction(ctx, argv[1]))
    return JS_ThrowTypeError(ctx, "setHandlers takes 2 functions");
  JS_FreeValue(ctx, loop.on_event);
  JS_FreeValue(ctx, loop.on_uncaught);
  loop.on_event = JS_DupValue(ctx, argv[0]);
  loop.on_uncaught = JS_DupValue(ctx, argv[1]);
  return JS_UNDEFINED;
}

/* setActive(count): the loop runs as long as the count is not 0. */
JSValue native_set_active(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  if (argc != 1 || arg_int32(ctx, argv[0], &loop.active) < 0)
    return argc == 1 ? JS_EXCEPTION : JS_ThrowTypeError(ctx, "setActive takes 1 argument");
  return JS_UNDEFINED;
}

/* setMain(function): called in every process when all modules have been evaluated. */
JSValue native_set_main(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  if (argc != 1 || !JS_IsFunction(ctx, argv[0]))
    return JS_ThrowTypeError(ctx, "setMain takes a function");
  JS_FreeValue(ctx, loop.main);
  loop.main = JS_DupValue(ctx, argv[0]);
  return JS_UNDEFINED;
}

/* endWithoutMemory(): from now on the process ends soon after memory has run out. */
JSValue native_end_without_memory(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)ctx, (void)self, (void)argc, (void)argv;
  loop.ends_without_memory = true;
  return JS_UNDEFINED;
}

/* epollControl(operation, fd, events, token): events are reported with the token. */
JSValue native_epoll_control(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int operation, fd;
  int64_t events, token;
  if (argc != 4)
    return JS_ThrowTypeError(ctx, "epollControl takes 4 arguments");
  if (arg_int32(ctx, argv[0], &operation) < 0 || arg_int32(ctx, argv[1], &fd) < 0 ||
      arg_integer(ctx, argv[2], &events) < 0 || arg_integer(ctx, argv[3], &token) < 0)
    return JS_EXCEPTION;
  if (loop.disowned)
    return result_of(ctx, -EPERM);
  struct epoll_event event = {.events = (uint32_t)events, .data.u64 = (uint64_t)token};
  int result = epoll_ctl(loop.epoll, operation, fd, &event);
  return result_of(ctx, result < 0 ? -errno : 0);
}

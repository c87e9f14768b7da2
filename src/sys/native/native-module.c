/* The module that TypeScript imports as "kumite:native"; its types are in sys/linux/native.d.ts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "engine.h"

static char **argument_texts;

void native_module_arguments(char **argv) {
  argument_texts = argv;
}

static JSValue text_array(JSContext *ctx, char **texts) {
  JSValue array = JS_NewArray(ctx);
  for (uint32_t i = 0; !JS_IsException(array) && texts[i] != NULL; i++) {
    if (JS_SetPropertyUint32(ctx, array, i, JS_NewString(ctx, texts[i])) < 0) {
      JS_FreeValue(ctx, array);
      return JS_EXCEPTION;
    }
  }
  return array;
}

static JSValue native_arguments(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self, (void)argc, (void)argv;
  return text_array(ctx, argument_texts);
}

static JSValue native_environment(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self, (void)argc, (void)argv;
  return text_array(ctx, environ);
}

static const JSCFunctionListEntry exports[] = {
    JS_CFUNC_DEF("processArguments", 0, native_arguments),
    JS_CFUNC_DEF("processEnvironment", 0, native_environment),
    JS_CFUNC_DEF("readv", 2, native_readv),
    JS_CFUNC_DEF("writev", 2, native_writev),
    JS_CFUNC_DEF("readPieces", 5, native_read_pieces),
    JS_CFUNC_DEF("sendmsg", 5, native_sendmsg),
    JS_CFUNC_DEF("recvmsg", 3, native_recvmsg),
    JS_CFUNC_DEF("ioctl", 3, native_ioctl),
    JS_CFUNC_DEF("setgroups", 1, native_setgroups),
    JS_CFUNC_DEF("dropBounding", 2, native_drop_bounding),
    JS_CFUNC_DEF("ownUser", 2, native_own_user),
    JS_CFUNC_DEF("fork", 1, native_fork),
    JS_CFUNC_DEF("forkInto", 2, native_fork_into),
    JS_CFUNC_DEF("bear", 9, native_bear),
    JS_CFUNC_DEF("spawn", 5, native_spawn),
    JS_CFUNC_DEF("execve", 3, native_execve),
    JS_CFUNC_DEF("execveFiltered", 5, native_execve_filtered),
    JS_CFUNC_DEF("exit", 1, native_exit),
    JS_CFUNC_DEF("resetSignals", 0, native_reset_signals),
    JS_CFUNC_DEF("bpfLoad", 4, native_bpf_load),
    JS_CFUNC_DEF("bpfAttach", 5, native_bpf_attach),
    JS_CFUNC_DEF("bpfAttached", 3, native_bpf_attached),
    JS_CFUNC_DEF("bpfById", 1, native_bpf_by_id),
    JS_CFUNC_DEF("encodeUtf8", 1, native_encode_utf8),
    JS_CFUNC_DEF("decodeUtf8", 4, native_decode_utf8),
    JS_CFUNC_DEF("setHandlers", 2, native_set_handlers),
    JS_CFUNC_DEF("setActive", 1, native_set_active),
    JS_CFUNC_DEF("setMain", 1, native_set_main),
    JS_CFUNC_DEF("epollControl", 4, native_epoll_control),
    JS_CFUNC_DEF("endWithoutMemory", 0, native_end_without_memory),
    JS_CFUNC_DEF("collectGarbage", 0, native_collect_garbage),
    JS_CFUNC_DEF("limitMemory", 2, native_limit_memory),
    JS_CFUNC_DEF("memoryUsed", 0, native_memory_used),
    JS_CFUNC_DEF("memoryHasRunOut", 0, native_memory_has_run_out),
    JS_PROP_INT32_DEF("O_DIRECT", O_DIRECT, 0),
    JS_PROP_INT32_DEF("O_DIRECTORY", O_DIRECTORY, 0),
    JS_PROP_INT32_DEF("O_NOFOLLOW", O_NOFOLLOW, 0),
};

static int initialize(JSContext *ctx, JSModuleDef *module) {
  for (size_t i = 0; i < call_count; i++) {
    JSValue function =
        JS_NewCFunctionMagic(ctx, call_native, call_name(i), 0, JS_CFUNC_generic_magic, (int)i);
    if (JS_IsException(function) || JS_SetModuleExport(ctx, module, call_name(i), function) < 0)
      return -1;
  }
  return JS_SetModuleExportList(ctx, module, exports, COUNT_OF(exports));
}

int native_module_register(JSContext *ctx) {
  JSModuleDef *module = JS_NewCModule(ctx, "kumite:native", initialize);
  if (module == NULL)
    return -1;
  for (size_t i = 0; i < call_count; i++)
    if (JS_AddModuleExport(ctx, module, call_name(i)) < 0)
      return -1;
  return JS_AddModuleExportList(ctx, module, exports, COUNT_OF(exports));
}

/*
 * Memory for JavaScript. Most blocks are small, short-lived and of few sizes. The C library's allocator is designed to
 * be compact and hard to attack, and the engine would spend half of its time in it. So small blocks come from free
 * lists, one per size, and large ones from the C library. Small memory is reused, but never returned to the system.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine.h"

/*
 * Precedes every block and holds its usable size. It lies at 8n + 4, so that the block itself is aligned to 8, which is
 * what the widest of QuickJS's types needs. Most blocks are so small that a wider header, or sizes in steps of 16,
 * would add an eighth to the heap.
 */
struct header {
  uint32_t size;
};

#define ALIGNMENT 8
#define SMALL_MAX 508
/* Offset of a large block in the C library's block, which keeps that block's alignment. */
#define LARGE_OFFSET 16
/* Size of a region. Its pages are touched only as far as they are used. */
#define REGION (256u << 10)
/* Roughly what a fork allocates until it executes its program. */
#define FORK_USES (64u << 10)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct free_block {
  struct free_block *next;
};

/* At the beginning of each region. */
struct region {
  struct region *before;
};

static struct region *last_region;
static struct free_block *free_list[SMALL_MAX / ALIGNMENT + 1];
static char *region_at, *region_end;
/* Set while the heap of an image is created (image.c). */
static bool is_image;
/* End of the image, in the process that creates it and in those that use it. */
static char *image_end = (char *)ENGINE_IMAGE_ADDRESS;
/* Free large blocks of the image, which the C library does not manage; there are few. */
static struct free_block *image_free;
/* Set in a fork. Free blocks are scattered over memory shared with the parent, and writing to such a page copies it. */
static bool is_fork;

static struct header *header_of(const void *block) {
  return (struct header *)(uintptr_t)((const char *)block - sizeof(struct header));
}

/* Usable sizes are 12, 20, 28, …: multiples of 8 together with the header. */
static size_t rounded_size(size_t size) {
  size_t whole = (size + sizeof(struct header) + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  return (whole <= 2 * ALIGNMENT ? 2 * ALIGNMENT : whole) - sizeof(struct header);
}

static bool is_of_image(const void *block) {
  return (uintptr_t)block - ENGINE_IMAGE_ADDRESS < (uintptr_t)image_end - ENGINE_IMAGE_ADDRESS;
}

/* Where the first header can lie after `at`, which is aligned. */
static char *first_header(char *at) { return at + ALIGNMENT - sizeof(struct header); }

static bool region_renew(void) {
  if (is_image)
    return false;
  char *region = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (region == MAP_FAILED)
    return false;
  /* The first pages will be used, and one call costs less than a fault for each. It may fail. */
  if (is_fork)
    madvise(region, FORK_USES, MADV_POPULATE_WRITE);
  struct region *begin = (struct region *)(void *)region;
  begin->before = last_region;
  last_region = begin;
  region_at = first_header(region + sizeof *begin);
  region_end = region + REGION;
  return true;
}

/* Takes memory that has never been used. */
static void *region_take(size_t size) {
  size_t whole = size + sizeof(struct header);
  /* The rest of the region, at most half a KiB, is wasted. */
  if ((size_t)(region_end - region_at) < whole && !region_renew())
    return NULL;
  struct header *header = (struct header *)(void *)region_at;
  region_at += whole;
  header->size = (uint32_t)size;
  return header + 1;
}

static void image_keep(void *block) {
  struct free_block *freed = block;
  freed->next = image_free;
  image_free = freed;
}

/* Takes the beginning of a free large block. Such blocks are left by tables that grew. */
static void *image_take(size_t size) {
  struct free_block **link = &image_free;
  while (*link != NULL && header_of(*link)->size < size)
    link = &(*link)->next;
  struct free_block *block = *link;
  if (block == NULL)
    return region_take(size);
  *link = block->next;
  size_t left = header_of(block)->size - size;
  if (left >= rounded_size(0) + sizeof(struct header)) {
    struct header *rest = (struct header *)(void *)((char *)block + size);
    rest->size = (uint32_t)(left - sizeof(struct header));
    header_of(block)->size = (uint32_t)size;
    image_keep(rest + 1);
  }
  return block;
}

static void *small_allocate(size_t size) {
  struct free_block **list = &free_list[size / ALIGNMENT];
  struct free_block *block = *list;
  if (block == NULL)
    return is_image ? image_take(size) : region_take(size);
  *list = block->next;
  return block;
}

/*
 * Larger blocks come and go with each message and each read, and the C library would map and unmap most of them. Some
 * are kept for reuse: the last block of bulk data, and the last few of the medium ones.
 */
#define BULK_MIN (32u << 10)
#define BULK_MAX (128u << 10)
#define MIDDLE_MAX (16u << 10)
#define MIDDLES 8

static void *spare_bulk;
static void *spare_middles[MIDDLES];
static size_t next_middle;

static void *spare_take_from(void **place, size_t size) {
  void *block = *place;
  if (block == NULL || header_of(block)->size < size || header_of(block)->size > 2 * size)
    return NULL;
  *place = NULL;
  return block;
}

static void *spare_take(size_t size) {
  if (size >= BULK_MIN / 2)
    return spare_take_from(&spare_bulk, size);
  void *block = NULL;
  for (size_t i = 0; block == NULL && i < MIDDLES; i++)
    block = spare_take_from(&spare_middles[i], size);
  return block;
}

static void large_free(void *block) { free((char *)block - LARGE_OFFSET); }

/* Keeps a block for reuse, or frees it. */
static void spare_or_free(void *block, size_t size) {
  if (size <= MIDDLE_MAX) {
    void **place = &spare_middles[next_middle++ % MIDDLES];
    if (*place != NULL)
      large_free(*place);
    *place = block;
  } else if (spare_bulk == NULL && size >= BULK_MIN && size <= BULK_MAX) {
    spare_bulk = block;
  } else {
    large_free(block);
  }
}

static void *large_wrap(char *base, size_t size) {
  if (base == NULL)
    return NULL;
  char *block = base + LARGE_OFFSET;
  header_of(block)->size = (uint32_t)size;
  return block;
}

/* Sizes must fit into the headers, whatever the limit is. */
#define SIZE_MAX_OF_BLOCK ((size_t)1 << 30)

/* The usable size may be a little more than what was asked for, and so than the limit. */
static bool is_allowed(const JSMallocState *state, size_t size, size_t before) {
  if (size <= before)
    return true;
  size_t limit = state->malloc_limit, used = state->malloc_size;
  return size <= SIZE_MAX_OF_BLOCK && used <= limit && size - before <= limit - used;
}

static void *large_allocate(size_t size) {
  if (is_image)
    return image_take(rounded_size(size));
  void *block = spare_take(size);
  return block != NULL ? block : large_wrap(malloc(size + LARGE_OFFSET), size);
}

/* A static variable suffices, since there is one runtime. */
static size_t bytes_in_use;

/*
 * Blocks of the image are not counted: the rest determines by its growth when garbage is collected, and the image
 * contains none.
 */
static void count_in(JSMallocState *state, const void *block) {
  if (is_of_image(block))
    return;
  state->malloc_count++;
  state->malloc_size += header_of(block)->size + sizeof(struct header);
  bytes_in_use = state->malloc_size;
}

static void count_out(JSMallocState *state, const void *block) {
  if (is_of_image(block))
    return;
  state->malloc_count--;
  state->malloc_size -= header_of(block)->size + sizeof(struct header);
}

size_t allocator_in_use(void) { return bytes_in_use; }

static bool has_run_out;

bool allocator_has_run_out(void) { return has_run_out; }

static void *run_out(void) {
  has_run_out = true;
  return NULL;
}

static void *allocate(JSMallocState *state, size_t size) {
  if (!is_allowed(state, size, 0))
    return run_out();
  void *block = size <= SMALL_MAX ? small_allocate(rounded_size(size)) : large_allocate(size);
  if (block == NULL)
    return run_out();
  count_in(state, block);
  return block;
}

static void release(JSMallocState *state, void *block) {
  if (block == NULL)
    return;
  size_t size = header_of(block)->size;
  count_out(state, block);
  /* Objects of the image are never freed (quickjs-additions.h), and writing to a block there would copy its page. */
  if (!is_image && is_of_image(block))
    return;
  if (size > SMALL_MAX) {
    if (is_image)
      image_keep(block);
    else
      spare_or_free(block, size);
    return;
  }
  if (is_fork && !((char *)block >= region_end - REGION && (char *)block < region_end))
    return;
  struct free_block *freed = block;
  freed->next = free_list[size / ALIGNMENT];
  free_list[size / ALIGNMENT] = freed;
}

static void *large_reallocate(JSMallocState *state, void *block, size_t size) {
  size_t before = header_of(block)->size;
  if (!is_allowed(state, size, before))
    return run_out();
  void *moved = large_wrap(realloc((char *)block - LARGE_OFFSET, size + LARGE_OFFSET), size);
  if (moved == NULL)
    return run_out();
  state->malloc_size = state->malloc_size - before + size;
  return moved;
}

static void *reallocate(JSMallocState *state, void *block, size_t size) {
  if (block == NULL)
    return size == 0 ? NULL : allocate(state, size);
  if (size == 0) {
    release(state, block);
    return NULL;
  }
  size_t before = header_of(block)->size;
  if (before > SMALL_MAX && size > SMALL_MAX && !is_of_image(block))
    return large_reallocate(state, block, size);
  if (size <= before && size * 2 >= before)
    return block;
  void *moved = allocate(state, size);
  if (moved != NULL) {
    memcpy(moved, block, before < size ? before : size);
    release(state, block);
  }
  return moved;
}

static size_t usable_size(const void *block) {
  return block == NULL ? 0 : header_of(block)->size;
}

/* For a short-lived fork: new memory comes in one piece, and the parent's is left alone. */
void allocator_forked(void) {
  is_fork = true;
  memset(free_list, 0, sizeof free_list);
  region_at = region_end = NULL;
}

/* Only regions and the image: large blocks belong to the C library, which the fork needs, and are few. */
void allocator_leave_behind(bool yes) {
  int advice = yes ? MADV_DONTFORK : MADV_DOFORK;
  if (image_end > (char *)ENGINE_IMAGE_ADDRESS)
    madvise((char *)ENGINE_IMAGE_ADDRESS, (size_t)(image_end - (char *)ENGINE_IMAGE_ADDRESS), advice);
  for (struct region *region = last_region; region != NULL; region = region->before)
    madvise(region, REGION, advice);
}

static char *rounded_up(char *at, size_t alignment) {
  return (char *)(((uintptr_t)at + alignment - 1) & ~(uintptr_t)(alignment - 1));
}

void allocator_place(char *begin, char *end) {
  is_image = true;
  region_at = first_header(rounded_up(begin, ALIGNMENT));
  region_end = image_end = end;
}

char *allocator_save(size_t alignment) {
  is_image = false;
  memset(free_list, 0, sizeof free_list);
  image_free = NULL;
  image_end = rounded_up(region_at, alignment);
  region_at = region_end = NULL;
  return image_end;
}

void allocator_restore(char *end) { image_end = end; }

const JSMallocFunctions engine_allocator = {allocate, release, reallocate, usable_size};

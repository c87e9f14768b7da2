/*
 * Decompresses parts of a program that few processes need. The build compresses them (tools/engine/pack.ts, which
 * describes the format).
 */
#include <string.h>

#include "engine.h"

struct packed {
  const uint8_t *at;
  const uint8_t *end;
};

#define GOES_ON 15
#define SHORTEST_MATCH 4

/* Reads a length of a sequence. Missing bytes at the end count as 0; the caller checks the length's bounds. */
static size_t length_of(struct packed *packed, unsigned begin) {
  size_t length = begin;
  if (begin < GOES_ON)
    return length;
  uint8_t more;
  do {
    more = packed->at < packed->end ? *packed->at++ : 0;
    length += more;
  } while (more == UINT8_MAX);
  return length;
}

bool unpack(const uint8_t *from, const uint8_t *from_end, uint8_t *to, size_t size) {
  struct packed packed = {from, from_end};
  size_t done = 0;
  while (packed.at < packed.end) {
    unsigned lengths = *packed.at++;
    size_t literals = length_of(&packed, lengths >> 4);
    if (literals > (size_t)(packed.end - packed.at) || literals > size - done)
      return false;
    memcpy(to + done, packed.at, literals);
    packed.at += literals;
    done += literals;
    if (packed.at == packed.end)
      break;
    if (packed.end - packed.at < 2)
      return false;
    size_t distance = (size_t)(packed.at[0] | packed.at[1] << 8);
    packed.at += 2;
    size_t match = length_of(&packed, lengths & GOES_ON) + SHORTEST_MATCH;
    if (distance == 0 || distance > done || match > size - done)
      return false;
    /* The ranges may overlap, so that bytes just written are repeated. */
    for (size_t i = 0; i < match; i++)
      to[done + i] = to[done + i - distance];
    done += match;
  }
  return done == size;
}

/**
 * Splits a device number in user space's encoding: 12 bits of major and 20 of minor, interleaved, and more above
 * (makedev(3)).
 */
export function numbersOf(device: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xffff_f000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffff_ff00n)),
  };
}

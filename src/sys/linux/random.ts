/** The kernel's random number generator. */
import { ioctl, getrandom as nativeGetrandom } from "kumite:native";
import { check, EINTR } from "./check.ts";

/** `_IOW('R', 3, int[2])`; the number does not include the size of the seed that follows. */
const RNDADDENTROPY = 0x40085203;
const RNDRESEEDCRNG = 0x5207;

/** Cryptographically strong bytes. Blocks only until the generator is initialized after boot. */
export function getrandom(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = nativeGetrandom(bytes, done, length - done, 0);
    if (count !== EINTR) done += check(count, "getrandom");
  }
  return bytes;
}

/** Adds a seed through `fd` (/dev/random) and credits all of its bits; needs CAP_SYS_ADMIN. */
export function addEntropy(fd: number, seed: Uint8Array): void {
  check(ioctl(fd, RNDADDENTROPY, encodeEntropy(seed)), "RNDADDENTROPY");
}

/** struct rand_pool_info: i32 bits of entropy, i32 size, bytes. */
export function encodeEntropy(seed: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + seed.length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, seed.length * 8, true);
  view.setInt32(4, seed.length, true);
  bytes.set(seed, 8);
  return bytes;
}

/** Makes the generator take a new key from its pool now. */
export function reseedGenerator(fd: number): void {
  check(ioctl(fd, RNDRESEEDCRNG, 0), "RNDRESEEDCRNG");
}

/** Runs classic BPF as the kernel does for seccomp, and refuses what the kernel's checker would refuse. */

export interface SystemCall {
  readonly number: number;
  /** AUDIT_ARCH_*. */
  readonly architecture: number;
  /** At most six, as in registers. */
  readonly args: readonly bigint[];
}

/** Returns the program's result: a SECCOMP_RET_* value, including its data. */
export function runFilter(program: Uint8Array, call: SystemCall): number {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const data = seccompData(call);
  let accumulator = 0;
  for (let at = 0; ; at += 8) {
    if (at >= program.length) throw new Error("the program runs over its end");
    const constant = code.getUint32(at + 4, true);
    const jump = (condition: boolean) => 8 * code.getUint8(at + (condition ? 2 : 3));
    switch (code.getUint16(at, true)) {
      case 0x20:
        accumulator = data.getUint32(constant, true);
        break;
      case 0x54:
        accumulator = (accumulator & constant) >>> 0;
        break;
      case 0x05:
        at += 8 * constant;
        break;
      case 0x15:
        at += jump(accumulator === constant);
        break;
      case 0x25:
        at += jump(accumulator > constant);
        break;
      case 0x35:
        at += jump(accumulator >= constant);
        break;
      case 0x45:
        at += jump((accumulator & constant) !== 0);
        break;
      case 0x06:
        return constant;
      default:
        throw new Error(`unknown instruction 0x${code.getUint16(at, true).toString(16)}`);
    }
  }
}

/** struct seccomp_data: nr, arch, instruction pointer, six arguments. */
function seccompData({ number, architecture, args }: SystemCall): DataView {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, architecture, true);
  for (const [index, value] of args.entries()) data.setBigUint64(16 + 8 * index, value, true);
  return data;
}

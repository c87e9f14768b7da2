import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readDiskName } from "./disk-name.ts";

describe("the name of a disk", () => {
  it("is a path on the PCI bus, an address on the SCSI bus, a serial number or a node", () => {
    assert.deepEqual(readDiskName("02/03"), { by: "pci", path: ["02.0", "03.0"] });
    assert.deepEqual(readDiskName("1f.7"), { by: "pci", path: ["1f.7"] });
    assert.deepEqual(readDiskName("serial:lower-0a1b2c3d"), { by: "serial", serial: "lower-0a1b2c3d" });
    assert.deepEqual(readDiskName("0:17"), { by: "scsi", target: 0, unit: 17 });
    assert.deepEqual(readDiskName("/dev/vda"), { by: "node", node: "/dev/vda" });
  });

  it("is refused if it is none of these", () => {
    for (const name of [
      "",
      "20",
      "02/",
      "02/3g",
      "02.8",
      "vda",
      "/dev/../etc",
      "serial:",
      "0:",
      "1234:0",
      "0:0:0:1",
      `serial:${"x".repeat(21)}`,
    ]) {
      assert.throws(() => readDiskName(name), { code: "usage/invalid", message: /is not the name of a disk$/ }, name);
    }
  });
});

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { notTaken, parseConfig, parseFragment } from "./kernel-fragment.ts";

describe("the fragment of the tuned kernel", () => {
  it("asks for everything that the guest and containers need", async () => {
    const fragment = resolve(import.meta.dirname, "../../guest-image/kernel.fragment");
    const options = parseFragment(await readFile(fragment, "utf8"));
    const needed = [
      ...[
        "PVH",
        "VIRTIO_PCI",
        "VIRTIO_CONSOLE",
        "VIRTIO_FS",
        "NET_9P_VIRTIO",
        "VIRTIO_BLK",
        "VIRTIO_NET",
        "VIRTIO_MEM",
      ],
      ...["EROFS_FS", "EXT4_FS", "OVERLAY_FS", "VIRTIO_VSOCKETS", "ACPI_HOTPLUG_CPU", "ACPI_HOTPLUG_MEMORY"],
      ...["CGROUP_BPF", "SECCOMP_FILTER", "USER_NS", "TIME_NS", "KEYS", "CPU_MITIGATIONS"],
    ];
    assert.deepEqual(
      needed.filter((name) => options.get(name) !== "y"),
      [],
    );
    assert.equal(options.get("MODULES"), "n");
  });

  it("is compared with the configuration that the kernel's tools made of it", () => {
    const wanted = parseFragment('# why\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C="-x"\n\nCONFIG_D=64\n');
    const taken = parseConfig('CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="-x"\nCONFIG_D=64\nCONFIG_E=y\n');
    assert.deepEqual(notTaken(wanted, taken), []);
    const other = parseConfig('CONFIG_B=y\nCONFIG_C="-y"\nCONFIG_D=64\n');
    assert.deepEqual(notTaken(wanted, other), [
      "CONFIG_A is n, not y",
      "CONFIG_B is y, not n",
      'CONFIG_C is "-y", not "-x"',
    ]);
  });

  it("is refused with the line that is wrong", () => {
    assert.throws(() => parseFragment("CONFIG_A=y\nCONFIG_B=m\n"), /line 2 .* is not an option: CONFIG_B=m/);
    assert.throws(() => parseFragment("CONFIG_A=y\nCONFIG_A=n\n"), /line 2 .* sets CONFIG_A a second time/);
  });
});

/** configuration.toml: every problem is reported with its place, and nothing else happens. */
import { loadSettings } from "../../src/config/load.ts";
import type { FileStatus, Os } from "../../src/sys/os.ts";
import { SystemError } from "../../src/util/errors.ts";
import { decodeUtf8, encodeUtf8 } from "../../src/util/text.ts";
import { mustBeRefusal, type Target } from "../target.ts";

const file = "/etc/kumite/configuration.toml";

export const configurationToml: Target = {
  name: "configuration-toml",
  words: [
    "[hypervisor.qemu]\n",
    "[agent.kata]\n",
    "[runtime]\n",
    "[factory]\n",
    "= true\n",
    '= "',
    "[]",
    "0x7fffffff",
    "1e400",
    '"""',
    "'''",
    "__proto__",
  ],
  seeds: () =>
    [
      '[hypervisor.qemu]\npath = "/usr/bin/qemu"\ndefault_vcpus = 2\ndefault_memory = 2048\nkernel_params = "a=b"\n',
      '[hypervisor.qemu]\nmachine_type = "q35"\nshared_fs = "virtio-fs"\nvirtio_fs_extra_args = ["-o", "x"]\n',
      '[runtime]\nenable_debug = true\nhypervisor = "process"\n[agent.kata]\ndial_timeout = 30\n',
      '[factory]\nenable_template = true\ntemplate_path = "/run/t"\n[runtime]\nexperimental = ["a"]\n',
    ].map(encodeUtf8),
  async run(input) {
    const os = fileSystemWith(decodeUtf8(input));
    try {
      const { problems } = await loadSettings(os, { installRoot: "/usr/libexec/kumite", path: file });
      JSON.stringify(problems);
    } catch (error) {
      mustBeRefusal(error, "config/invalid");
    }
  },
};

/** Files of the host that are read. */
const others: Readonly<Record<string, string>> = {
  "/proc/meminfo": "MemTotal: 8000000 kB\n",
  "/proc/self/status": "Cpus_allowed_list:\t0-3\n",
};

/** Contains one file and nothing else. */
function fileSystemWith(text: string): Os {
  const none = (path: string): Promise<never> => Promise.reject(new SystemError("ENOENT", "open", path));
  const status = { kind: "file", mode: 0o644, uid: 0, gid: 0, size: text.length } as FileStatus;
  const files = {
    readText: (path: string) =>
      path in others ? Promise.resolve(others[path]) : path === file ? Promise.resolve(text) : none(path),
    readBytes: (path: string) => (path === file ? Promise.resolve(encodeUtf8(text)) : none(path)),
    realPath: async (path: string) => path,
    list: none,
    status: async (path: string) => (path === file ? status : undefined),
    linkStatus: async (path: string) => (path === file ? status : undefined),
  };
  return { files, self: { env: {}, cwd: () => "/" } } as unknown as Os;
}

/** An installation of the product whose agent lies; everything else is the real product. */
import { copyFile, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";
import { testInstallRoot } from "../support/node-os.ts";

export class HostileInstall {
  /** Path of the command line. */
  readonly program: string;
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.program = path.join(directory, "kumite");
  }

  static async make(directory: string): Promise<HostileInstall> {
    await mkdir(directory);
    // Each program looks for the others in its own directory.
    for (const name of ["kumite", "shim.cjs", "shim.js", "install.json"]) {
      await copyFile(path.join(testInstallRoot, name), path.join(directory, name));
    }
    for (const name of ["vmlinux", "initrd.img"])
      await symlink(path.join(testInstallRoot, name), path.join(directory, name));
    await build({
      entryPoints: [path.join(import.meta.dirname, "agent.ts")],
      outfile: path.join(directory, "agent.mjs"),
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      logLevel: "error",
    });
    return new HostileInstall(directory);
  }

  /** The agent tells this lie from now on. */
  async tell(lie: string): Promise<void> {
    const agent = path.join(this.#directory, "agent");
    const bundle = JSON.stringify(path.join(this.#directory, "agent.mjs"));
    const script = `#!${process.execPath}\nprocess.env.KUMITE_TEST_LIE = ${JSON.stringify(lie)};\nimport(${bundle});\n`;
    await writeFile(agent, script, { mode: 0o755 });
    const manifest = path.join(this.#directory, "install.json");
    const document = JSON.parse(await readFile(manifest, "utf8")) as { files: Record<string, { size: number }> };
    (document.files.agent as { size: number }).size = (await stat(agent)).size;
    await writeFile(manifest, JSON.stringify(document));
  }
}

/**
 * Writes an OCI image layout as one tar archive, for engines that load images: no registry, no tool, under 0.1 s.
 * The single layer is the busybox tree of `bundle.ts`.
 */
import { createHash } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { makeTree } from "./bundle.ts";
import { succeed } from "./command.ts";
import { makeTestDirectory } from "./test-directory.ts";

/** Writes the archive to `file`; the image is called `name`, e.g. `localhost/test:latest`. */
export async function writeImage(file: string, name: string): Promise<void> {
  const directory = makeTestDirectory("image");
  try {
    const layer = await layerOf(directory);
    const layout = layoutOf(layer, name);
    for (const [member, content] of layout) await writeMember(path.join(directory, "layout"), member, content);
    await succeed(["tar", "-C", path.join(directory, "layout"), "-cf", file, "."]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function layerOf(directory: string): Promise<Buffer> {
  const tree = path.join(directory, "tree");
  const tar = path.join(directory, "layer.tar");
  await makeTree(tree);
  await succeed(["tar", "-C", tree, "-cf", tar, "."]);
  return readFile(tar);
}

/** The members of the archive by path. */
function layoutOf(layerTar: Buffer, name: string): Map<string, Buffer> {
  const members = new Map<string, Buffer>();
  const blob = (mediaType: string, content: Buffer) => {
    const hash = createHash("sha256").update(content).digest("hex");
    members.set(`blobs/sha256/${hash}`, content);
    return { mediaType, digest: `sha256:${hash}`, size: content.length };
  };
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

  const layer = blob("application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(layerTar, { level: 1 }));
  const config = blob(
    "application/vnd.oci.image.config.v1+json",
    json({
      architecture: "amd64",
      os: "linux",
      config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["sh"] },
      rootfs: { type: "layers", diff_ids: [`sha256:${createHash("sha256").update(layerTar).digest("hex")}`] },
    }),
  );
  const manifest = blob(
    "application/vnd.oci.image.manifest.v1+json",
    json({ schemaVersion: 2, config, layers: [layer] }),
  );
  const annotations = { "org.opencontainers.image.ref.name": name, "io.containerd.image.name": name };
  members.set("index.json", json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }));
  members.set("oci-layout", json({ imageLayoutVersion: "1.0.0" }));
  return members;
}

async function writeMember(layout: string, member: string, content: Buffer): Promise<void> {
  const file = path.join(layout, member);
  await succeed(["mkdir", "-p", path.dirname(file)]);
  await writeFile(file, content);
}

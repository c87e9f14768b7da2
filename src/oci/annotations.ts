/** Annotations of a specification. Engines put what they like into them; some are meant for runtimes like this one. */

const ownPrefix = "io.katacontainers.";

/** Those that ask this kind of runtime for something and have no effect here, sorted. */
export function annotationsWithoutEffect(annotations: Readonly<Record<string, string>> = {}): string[] {
  return Object.keys(annotations)
    .filter((key) => key.startsWith(ownPrefix))
    .sort();
}

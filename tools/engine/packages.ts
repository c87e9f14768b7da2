/** Debian packages that building the small engine needs, for the set-up to install. */
export const enginePackages: readonly string[] = [
  "gcc",
  "musl-tools",
  "dpkg-dev",
  "xz-utils",
  "debian-archive-keyring",
];

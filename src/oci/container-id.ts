/** Checks container ids. They become names of directories, cgroups and processes, so few characters are allowed. */
import { KumiteError } from "../util/errors.ts";

const pattern = /^[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}$/;

/** @throws KumiteError `container/bad-id` */
export function checkContainerId(id: string): void {
  if (pattern.test(id)) return;
  throw new KumiteError("container/bad-id", `container id ${quote(id)} is not valid${reason(id)}`, {
    hint: "use 1 to 128 of the characters A-Z a-z 0-9 _ . + - and begin with a letter or digit",
    data: { id },
  });
}

/** Like `checkContainerId`, for the id of a further process of a container. @throws KumiteError `container/bad-id` */
export function checkExecId(id: string): void {
  if (pattern.test(id)) return;
  throw new KumiteError("container/bad-id", `exec id ${quote(id)} is not valid${reason(id)}`, {
    hint: "use 1 to 128 of the characters A-Z a-z 0-9 _ . + - and begin with a letter or digit",
    data: { execId: id },
  });
}

/** In the words of other runtimes. */
function reason(id: string): string {
  const bad = /[^A-Za-z0-9_.+-]/.exec(id)?.[0];
  if (bad === undefined && id.length > 128) return `: it has ${id.length} characters`;
  return bad === undefined || bad < " " ? "" : `: invalid character \`${bad}\` in the ID`;
}

/** For errors: limited in length, control characters escaped. */
function quote(id: string): string {
  return JSON.stringify(id.length > 140 ? `${id.slice(0, 140)}…` : id);
}

/** Measures a start for `--timeline`: the steps of the command itself, and those that the shim reports. */
import type { ShimConnection } from "../../shim-client/connect.ts";
import { KumiteError, messageOf } from "../../util/errors.ts";
import { resolvePath } from "../../util/path.ts";
import type { VerbContext } from "../context.ts";
import { type Phase, parseShimTimeline, phasesOf, type ShimTimeline } from "./phases.ts";

export type CommandStep = "bundle" | "claimed" | "spawned" | "ready" | "created" | "running";

export interface StartTimeline {
  /** Marks the end of the step. */
  mark(step: CommandStep): void;
  /** Asks the shim for its part while the shim exists. Never rejects: measuring must not make a start fail. */
  ask(shim: ShimConnection): Promise<void>;
  /** Prints the time-line and writes the file. A file that cannot be written is reported. */
  tell(): Promise<void>;
}

interface TimelineFlags {
  readonly timeline: boolean;
  readonly "timeline-file": string | undefined;
}

const nothing: StartTimeline = { mark: () => {}, ask: async () => {}, tell: async () => {} };

/** Measures from this call. @throws KumiteError `usage/invalid` if the file's name is not that of a picture */
export function startTimeline(context: VerbContext, id: string, flags: TimelineFlags): StartTimeline {
  const { timeline: asText, "timeline-file": file } = flags;
  if (file !== undefined && !/\.(svg|html)$/.test(file)) {
    throw new KumiteError("usage/invalid", `--timeline-file ${file}: the name must end in .svg or .html`, {
      hint: "use --timeline to print the timeline without a file",
    });
  }
  return asText || file !== undefined ? measured(context, id, asText, file) : nothing;
}

function measured(context: VerbContext, id: string, asText: boolean, file: string | undefined): StartTimeline {
  const { os, log, output } = context;
  const startMs = os.clock.monotonic();
  const nowMs = (): number => os.clock.monotonic() - startMs;
  const marks: Record<string, number> = {};
  let shimTimeline: ShimTimeline | undefined;
  let answeredMs = 0;
  return {
    mark: (step) => {
      marks[step] = nowMs();
    },
    ask: async (shim) => {
      try {
        const { json } = await shim.oci.timeline({ id });
        answeredMs = nowMs();
        shimTimeline = parseShimTimeline(json);
      } catch (error) {
        log.warn(`the shim's timeline is missing: ${messageOf(error)}`, { container: id });
      }
    },
    tell: async () => {
      const phases = phasesOf(marks, shimTimeline, answeredMs);
      if (asText) {
        const { timelineText } = await import("./text.ts");
        await output.err(timelineText(phases));
      }
      if (file !== undefined) await draw(context, `start of ${id}`, file, phases);
    },
  };
}

async function draw({ os, tellFailure }: VerbContext, title: string, file: string, phases: Phase[]): Promise<void> {
  const { timelineHtml, timelineSvg } = await import("./picture.ts");
  const picture = file.endsWith(".svg") ? timelineSvg(title, phases) : timelineHtml(title, phases);
  try {
    await os.files.write(resolvePath(os.self.cwd(), file), picture, { mode: 0o644 });
  } catch (error) {
    await tellFailure(error);
  }
}

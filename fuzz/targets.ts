/** All fuzzers. */
import type { Target } from "./target.ts";
import { agentMessages } from "./targets/agent-messages.ts";
import { configJson } from "./targets/config-json.ts";
import { configurationToml } from "./targets/configuration-toml.ts";
import { qmp } from "./targets/qmp.ts";
import { ttrpc } from "./targets/ttrpc.ts";
import { yamux } from "./targets/yamux.ts";

export const targets: readonly Target[] = [ttrpc, yamux, qmp, agentMessages, configJson, configurationToml];

/** UpdateContainer: changes the limits of an existing container. */
import { settingOptions } from "../cgroup/apply-setting.ts";
import { limitDevices } from "../cgroup/device-filter.ts";
import { deviceLimits } from "../cgroup/device-limits.ts";
import { makeRoom } from "../cgroup/make-room.ts";
import { currentText, updateSettings } from "../cgroup/update-settings.ts";
import { readCgroupSettings } from "../spec/cgroup-settings.ts";
import { readDeviceRules } from "../spec/device-rules.ts";
import type { Fields } from "../spec/fields.ts";
import type { Container } from "./container.ts";
import type { ContainerHost } from "./host.ts";

/**
 * @param resources as in `linux.resources`; a value that is missing or zero stays as it is
 * @throws KumiteError `container/wrong-state`, `oci/spec-invalid`, `cgroup/failed`; then nothing has changed
 */
export function updateContainer(host: ContainerHost, container: Container, resources: Fields): void {
  if (container.state.phase === "stopped") throw container.wrongState("running");
  const { cgroup, id } = container;
  const options = settingOptions(host, id);
  const current = (file: string): string | undefined => currentText(cgroup.directory, file);
  const rules = resources.objects("devices").length > 0 ? readDeviceRules(resources) : undefined;
  const settings = readCgroupSettings(resources, { notApplied: options.notApplied, current });
  makeRoom(cgroup.directory, settings);
  updateSettings(cgroup, settings, options, host.log);
  if (rules !== undefined) limitDevices(host, id, cgroup, deviceLimits(rules));
}

/**
 * The calls that a relay makes. They are a part of the generated definitions, so that a process that every container
 * has does not contain all other messages. A test checks that they match.
 */
import { KillRequest, ResizePtyRequest, WaitRequest, WaitResponse } from "../protocol/gen/containerd/task/shim.ts";
import { Empty } from "../protocol/gen/google/protobuf/empty.ts";
import { AttachRelayRequest, AttachRelayResponse } from "../protocol/gen/kumite/oci/v1/oci.ts";
import type { ServiceDefinition } from "../protocol/ttrpc/service.ts";

const unary = { requestStream: false, responseStream: false } as const;

export const relayTaskCalls = {
  fullName: "containerd.task.v2.Task",
  methods: {
    kill: { name: "Kill", requestType: KillRequest, responseType: Empty, ...unary },
    resizePty: { name: "ResizePty", requestType: ResizePtyRequest, responseType: Empty, ...unary },
    wait: { name: "Wait", requestType: WaitRequest, responseType: WaitResponse, ...unary },
  },
} as const satisfies ServiceDefinition;

export const relayOciCalls = {
  fullName: "kumite.oci.v1.Oci",
  methods: {
    attachRelay: {
      name: "AttachRelay",
      requestType: AttachRelayRequest,
      responseType: AttachRelayResponse,
      ...unary,
    },
  },
} as const satisfies ServiceDefinition;

/**
 * The calls of the shim's services that the verbs make. They are copied from the generated definitions, so that the
 * messages of other calls stay out of the small executable. A test compares the two.
 */
import {
  DeleteRequest,
  DeleteResponse,
  KillRequest,
  PauseRequest,
  ResumeRequest,
  ShutdownRequest,
  StartRequest,
  StartResponse,
  UpdateTaskRequest,
  WaitRequest,
  WaitResponse,
} from "../protocol/gen/containerd/task/shim.ts";
import { Empty } from "../protocol/gen/google/protobuf/empty.ts";
import {
  AwaitOomRequest,
  AwaitOomResponse,
  CreateContainerRequest,
  CreateContainerResponse,
  DiscardContainerRequest,
  DiscardContainerResponse,
  ExecProcessRequest,
  ExecProcessResponse,
  ProcessesRequest,
  ProcessesResponse,
  SizingRequest,
  SizingResponse,
  StatsRequest,
  StatsResponse,
  TimelineRequest,
  TimelineResponse,
} from "../protocol/gen/kumite/oci/v1/oci.ts";
import type { ServiceDefinition } from "../protocol/ttrpc/service.ts";

const unary = { requestStream: false, responseStream: false } as const;

export const taskCalls = {
  fullName: "containerd.task.v2.Task",
  methods: {
    start: { name: "Start", requestType: StartRequest, responseType: StartResponse, ...unary },
    kill: { name: "Kill", requestType: KillRequest, responseType: Empty, ...unary },
    pause: { name: "Pause", requestType: PauseRequest, responseType: Empty, ...unary },
    resume: { name: "Resume", requestType: ResumeRequest, responseType: Empty, ...unary },
    update: { name: "Update", requestType: UpdateTaskRequest, responseType: Empty, ...unary },
    wait: { name: "Wait", requestType: WaitRequest, responseType: WaitResponse, ...unary },
    shutdown: { name: "Shutdown", requestType: ShutdownRequest, responseType: Empty, ...unary },
    delete: { name: "Delete", requestType: DeleteRequest, responseType: DeleteResponse, ...unary },
  },
} as const satisfies ServiceDefinition;

export const ociCalls = {
  fullName: "kumite.oci.v1.Oci",
  methods: {
    createContainer: {
      name: "CreateContainer",
      requestType: CreateContainerRequest,
      responseType: CreateContainerResponse,
      ...unary,
    },
    discardContainer: {
      name: "DiscardContainer",
      requestType: DiscardContainerRequest,
      responseType: DiscardContainerResponse,
      ...unary,
    },
    execProcess: { name: "ExecProcess", requestType: ExecProcessRequest, responseType: ExecProcessResponse, ...unary },
    processes: { name: "Processes", requestType: ProcessesRequest, responseType: ProcessesResponse, ...unary },
    sizing: { name: "Sizing", requestType: SizingRequest, responseType: SizingResponse, ...unary },
    stats: { name: "Stats", requestType: StatsRequest, responseType: StatsResponse, ...unary },
    timeline: { name: "Timeline", requestType: TimelineRequest, responseType: TimelineResponse, ...unary },
    awaitOom: { name: "AwaitOom", requestType: AwaitOomRequest, responseType: AwaitOomResponse, ...unary },
  },
} as const satisfies ServiceDefinition;

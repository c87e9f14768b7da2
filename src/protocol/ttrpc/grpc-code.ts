/** The status codes of gRPC, which ttrpc uses. */

export const grpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

export type GrpcCode = (typeof grpcCode)[keyof typeof grpcCode];

/** Numbers that are not in gRPC's table become `unknown`, since a peer can send anything. */
export function grpcCodeOf(value: number): GrpcCode {
  return value >= grpcCode.ok && value <= grpcCode.unauthenticated ? (value as GrpcCode) : grpcCode.unknown;
}

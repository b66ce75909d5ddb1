/** The codes of everything that can fail and that somebody can act on. Each is explained in docs/errors.md. */
export type ErrorCode =
  // Bytes that do not follow the protocol.
  | 'WIRE_MALFORMED'
  | 'WIRE_FRAME_TOO_LONG'
  | 'WIRE_OUT_OF_ORDER'
  | 'WIRE_UNSUPPORTED'
  | 'WIRE_ENCODING'
  | 'HANDSHAKE_TIMEOUT'
  | 'CLIENT_TOO_MANY'
  | 'CLIENT_TOO_SLOW'
  // Who is asking.
  | 'IDENTITY_REFUSED'
  | 'IDENTITY_EXPIRED'
  | 'IDENTITY_REVOKED'
  | 'IDENTITY_UNAVAILABLE'
  | 'TARGET_REFUSED'
  | 'CLEARTEXT_REFUSED'
  // What the policy says.
  | 'POLICY_DENIED'
  | 'POLICY_OPAQUE'
  | 'POLICY_MASKED'
  | 'POLICY_BROKEN'
  | 'JUSTIFICATION_MISSING'
  | 'ANALYZER_MISSING'
  | 'STEP_UP_MISSING'
  | 'STATEMENT_TOO_LONG'
  | 'CATALOGUE_UNAVAILABLE'
  // What people say.
  | 'APPROVAL_DENIED'
  | 'APPROVAL_EXPIRED'
  | 'APPROVAL_CANCELLED'
  | 'APPROVAL_CHANGED'
  | 'APPROVAL_UNAVAILABLE'
  | 'REQUEST_UNKNOWN'
  | 'REQUEST_ENDED'
  | 'REQUEST_NOT_YOURS'
  // The record.
  | 'RECORD_UNAVAILABLE'
  | 'RECORD_BROKEN'
  | 'RECORD_LOCKED'
  // The target.
  | 'TARGET_UNREACHABLE'
  | 'TARGET_TLS'
  | 'TARGET_LOGIN'
  | 'TARGET_MISBEHAVED'
  | 'TARGET_CLOSED'
  // The control plane.
  | 'INPUT_INVALID'
  | 'NOT_FOUND'
  | 'OPERATOR_REFUSED'
  // The gateway itself.
  | 'CONFIG_INVALID'
  | 'SECRET_UNAVAILABLE'
  | 'STORE_UNAVAILABLE'
  | 'GATEWAY_UNREACHABLE'
  | 'GATEWAY_STOPPING'
  | 'INTERNAL'
  | 'USAGE';

/** An expected failure: named, explained, and never carrying a secret. Anything else that is thrown is a bug. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

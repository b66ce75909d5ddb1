import { type ErrorCode, GatewayError } from '../core/errors.ts';
import type { Reason } from '../core/verdict.ts';
import type { ProblemView } from './contract.ts';

/** What every refusal and failure of the API looks like (RFC 9457); the same fields on every surface. */
export function problemOf(error: unknown): ProblemView {
  if (error instanceof ReasonError) return fromReason(error.reason);
  if (error instanceof GatewayError) return { ...problem(error.code, error.message), problems: problemsOf(error) };
  // A bug: its text may hold anything, so it stays in the log.
  return problem('INTERNAL', 'something inside the gateway failed; its log says what');
}

export function problem(code: ErrorCode, why: string, more: Partial<Reason> = {}): ProblemView {
  const [status, title, hint] = KINDS[code];
  return {
    type: `https://sallyport.dev/errors#${code.toLowerCase()}`,
    title,
    status,
    detail: why,
    code,
    rule: more.rule ?? null,
    why,
    hint: more.hint ?? hint,
    allowed_instead: [],
    cure: more.cure ?? null,
    retry: more.retry ?? (status === 429 || status === 503 ? 'later' : status === 400 ? 'after-edit' : 'never'),
    request: more.request ?? null,
    problems: [],
  };
}

/** A failure that lists what is wrong: each a line that names its file. */
function problemsOf({ details }: GatewayError): string[] {
  return Array.isArray(details.problems) ? details.problems.filter((line) => typeof line === 'string') : [];
}

/** A refusal that a room gave with everything there is to say about it. */
export class ReasonError extends Error {
  readonly reason: Reason;

  constructor(reason: Reason) {
    super(reason.why);
    this.reason = reason;
  }
}

function fromReason(reason: Reason): ProblemView {
  // Every reason's code is of the union; where it were not, it is a refusal all the same.
  const known = reason.code in KINDS ? (reason.code as ErrorCode) : 'POLICY_DENIED';
  return { ...problem(known, reason.why, reason), code: reason.code };
}

type Kind = readonly [status: number, title: string, hint: string];

/** By code, whatever room it comes from. */
const KINDS: Readonly<Record<ErrorCode, Kind>> = {
  // What was sent.
  INPUT_INVALID: [400, 'not understood', 'see /api/v1/openapi.json'],
  USAGE: [400, 'not understood', ''],
  CONFIG_INVALID: [400, 'not valid', ''],
  WIRE_MALFORMED: [400, 'not HTTP as it is taken', ''],
  WIRE_OUT_OF_ORDER: [400, 'out of order', ''],
  WIRE_UNSUPPORTED: [400, 'not supported', ''],
  WIRE_ENCODING: [400, 'not UTF-8', ''],
  WIRE_FRAME_TOO_LONG: [413, 'too long', ''],
  STATEMENT_TOO_LONG: [413, 'too long', ''],
  HANDSHAKE_TIMEOUT: [408, 'too slow', ''],
  CLIENT_TOO_SLOW: [408, 'too slow', ''],
  CLIENT_TOO_MANY: [429, 'too many', 'slow down'],
  // Who asks.
  IDENTITY_REFUSED: [401, 'not identified', 'send a token: Authorization: Bearer …'],
  IDENTITY_EXPIRED: [401, 'expired', 'get a new token'],
  IDENTITY_REVOKED: [401, 'revoked', 'ask who revoked it'],
  IDENTITY_UNAVAILABLE: [503, 'identity provider away', 'try again'],
  CLEARTEXT_REFUSED: [403, 'not over an open line', 'use https'],
  // What the policy says.
  POLICY_DENIED: [403, 'not permitted', 'a rule of the policy has to permit this action by name'],
  POLICY_OPAQUE: [403, 'not understood, so not permitted', ''],
  POLICY_MASKED: [403, 'masked', ''],
  POLICY_BROKEN: [503, 'no policy', 'the gateway log says why'],
  JUSTIFICATION_MISSING: [403, 'no justification', ''],
  ANALYZER_MISSING: [403, 'not analyzed', ''],
  STEP_UP_MISSING: [403, 'no proof of presence', ''],
  OPERATOR_REFUSED: [403, 'not for the operator', 'do it as yourself: --gateway URL with a token of your own'],
  TARGET_REFUSED: [403, 'not permitted', ''],
  // What people say.
  REQUEST_NOT_YOURS: [403, 'not yours to decide', 'ask one of its approvers'],
  REQUEST_UNKNOWN: [404, 'not found', ''],
  NOT_FOUND: [404, 'not found', ''],
  REQUEST_ENDED: [409, 'over', ''],
  APPROVAL_CHANGED: [409, 'changed since', 'look at it again'],
  APPROVAL_EXPIRED: [409, 'over', ''],
  APPROVAL_CANCELLED: [409, 'over', ''],
  APPROVAL_DENIED: [409, 'over', ''],
  APPROVAL_UNAVAILABLE: [503, 'approvals away', 'try again'],
  // What does not work at this moment.
  CATALOGUE_UNAVAILABLE: [503, 'catalogue away', 'is the target reachable?'],
  RECORD_UNAVAILABLE: [503, 'cannot be recorded', 'what cannot be recorded does not happen; see the gateway log'],
  RECORD_BROKEN: [503, 'record damaged', 'sallyport audit verify says where'],
  RECORD_LOCKED: [503, 'record in use', ''],
  STORE_UNAVAILABLE: [503, 'store away', 'try again'],
  SECRET_UNAVAILABLE: [503, 'secret away', 'the gateway log says which'],
  TARGET_UNREACHABLE: [503, 'target away', ''],
  TARGET_TLS: [503, 'target not trusted', ''],
  TARGET_LOGIN: [503, 'target refuses the login', ''],
  TARGET_MISBEHAVED: [503, 'target misbehaves', ''],
  TARGET_CLOSED: [503, 'target away', ''],
  GATEWAY_UNREACHABLE: [503, 'gateway away', ''],
  GATEWAY_STOPPING: [503, 'stopping', 'try again'],
  INTERNAL: [500, 'failed', 'the gateway log says why'],
};

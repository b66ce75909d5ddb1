import type { GatewayError } from '../../core/errors.ts';
import type { Reason } from '../../core/verdict.ts';
import type { ErrorFields } from './messages.ts';

/** `ERROR`: the session lives on. `FATAL`: it ends, as the client may expect from the word. */
export type Severity = 'ERROR' | 'FATAL';

/**
 * A refusal as the fields of an ErrorResponse: MESSAGE says what happened and names the rule, HINT what to do, and DETAIL is
 * one line of JSON with exactly `code rule why allowed_instead? cure retry request`, so that an agent need not read prose.
 * `allowedInstead`: statements or runbooks that would pass.
 */
export function refusalFields(reason: Reason, severity: Severity, allowedInstead: readonly string[] = []): ErrorFields {
  const why = shortened(reason.why);
  const detail = {
    code: reason.code,
    rule: reason.rule,
    why,
    ...(allowedInstead.length > 0 ? { allowed_instead: allowedInstead.map(shortened) } : {}),
    cure: reason.cure,
    retry: reason.retry,
    request: reason.request,
  };
  const message = reason.rule === null || why.includes(reason.rule) ? why : `${why} (rule ${reason.rule})`;
  return {
    S: severity,
    V: severity,
    C: sqlState(reason.code),
    M: printable(message),
    D: jsonLine(detail),
    ...(reason.hint === '' ? {} : { H: printable(shortened(reason.hint)) }),
  };
}

/** The same for an expected failure that no rule decided. */
export function errorFields(error: GatewayError, severity: Severity): ErrorFields {
  return refusalFields(errorReason(error), severity);
}

/** An expected failure in the shape of a refusal. */
export function errorReason(error: GatewayError): Reason {
  const later = LATER.has(error.code);
  return {
    code: error.code,
    rule: null,
    why: error.message,
    hint: later ? 'nothing was done; try again later' : '',
    cure: null,
    retry: later ? 'later' : 'after-edit',
    request: null,
  };
}

/** What a NoticeResponse of the gateway's own says, whatever client_min_messages asks for (01000 is a plain warning). */
export function noticeFields(message: string, hint = ''): ErrorFields {
  const fields = { S: 'NOTICE', V: 'NOTICE', C: '01000', M: printable(shortened(message)) };
  return hint === '' ? fields : { ...fields, H: printable(shortened(hint)) };
}

/**
 * SQLSTATE by code (manual, appendix A). Drivers decide by it whether to reconnect, to retry or to give up, so each is
 * the one that PostgreSQL itself would send. An unlisted code has that of its family.
 */
export function sqlState(code: string): string {
  return SQLSTATE[code] ?? SQLSTATE_OF_FAMILY[code.slice(0, code.indexOf('_'))] ?? INTERNAL_ERROR;
}

/**
 * Escapes what does not print: control characters, direction marks, zero-width and unassigned ones, line breaks. Names and
 * statements of users stand in these texts, and a terminal must show what is there.
 */
export function printable(text: string): string {
  return text.toWellFormed().replace(UNPRINTABLE, (character) => `\\u{${codePoint(character).toString(16)}}`);
}

/** JSON on one line in which every unprintable character is an escape that JSON itself knows: nothing is lost in it. */
function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(UNPRINTABLE, (character) => {
    let escaped = '';
    for (let index = 0; index < character.length; index++) {
      escaped += `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`;
    }
    return escaped;
  });
}

function shortened(text: string): string {
  if (text.length <= TEXT_CHARACTERS_MAX) return text;
  // A pair of surrogates that is cut in two is no text any more.
  return `${text.slice(0, TEXT_CHARACTERS_MAX).toWellFormed()}…`;
}

function codePoint(character: string): number {
  return character.codePointAt(0) ?? 0;
}

/** libpq takes an error of 30,000 bytes during the login for a lost boundary; three texts, all escapes, stay below it. */
const TEXT_CHARACTERS_MAX = 1_000;
/** Others (control, format, surrogate, private, unassigned), line and paragraph separators, and the fillers that show nothing. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]/gu;
const INTERNAL_ERROR = 'XX000';

const SQLSTATE: Readonly<Record<string, string>> = {
  WIRE_UNSUPPORTED: '0A000', // feature_not_supported
  WIRE_ENCODING: '22021', // character_not_in_repertoire
  HANDSHAKE_TIMEOUT: '57014', // query_canceled, as "canceling authentication due to timeout"
  CLIENT_TOO_MANY: '53300', // too_many_connections
  CLIENT_TOO_SLOW: '53400', // configuration_limit_exceeded
  IDENTITY_REVOKED: '57P01', // admin_shutdown
  IDENTITY_UNAVAILABLE: '57P03', // cannot_connect_now
  CLEARTEXT_REFUSED: '28000', // invalid_authorization_specification
  STATEMENT_TOO_LONG: '54000', // program_limit_exceeded
  CATALOGUE_UNAVAILABLE: '58000', // system_error
  APPROVAL_CANCELLED: '57014', // query_canceled
  REQUEST_UNKNOWN: '42704', // undefined_object
  TARGET_REFUSED: '42501', // insufficient_privilege, as for a database without CONNECT
  TARGET_UNREACHABLE: '08001', // sqlclient_unable_to_establish_sqlconnection
  TARGET_TLS: '08001',
  TARGET_LOGIN: '08004', // sqlserver_rejected_establishment_of_sqlconnection
  INPUT_INVALID: '22023', // invalid_parameter_value
  NOT_FOUND: '42704',
  OPERATOR_REFUSED: '42501',
  CONFIG_INVALID: 'F0000', // config_file_error
  GATEWAY_UNREACHABLE: '08001',
};

const SQLSTATE_OF_FAMILY: Readonly<Record<string, string>> = {
  WIRE: '08P01', // protocol_violation
  IDENTITY: '28000', // invalid_authorization_specification
  POLICY: '42501', // insufficient_privilege
  JUSTIFICATION: '42501',
  ANALYZER: '42501',
  STEP: '42501',
  APPROVAL: '42501',
  REQUEST: '42501',
  RECORD: '58030', // io_error
  TARGET: '08006', // connection_failure
  STORE: '58030',
  SECRET: '58000', // system_error
  GATEWAY: '57P01', // admin_shutdown
};

/** What passes without anybody's doing. */
const LATER: ReadonlySet<string> = new Set([
  'CLIENT_TOO_MANY',
  'CLIENT_TOO_SLOW',
  'HANDSHAKE_TIMEOUT',
  'IDENTITY_UNAVAILABLE',
  'CATALOGUE_UNAVAILABLE',
  'APPROVAL_UNAVAILABLE',
  'RECORD_UNAVAILABLE',
  'STORE_UNAVAILABLE',
  'SECRET_UNAVAILABLE',
  'TARGET_UNREACHABLE',
  'TARGET_CLOSED',
  'GATEWAY_STOPPING',
  'GATEWAY_UNREACHABLE',
]);

/**
 * The messages of PostgreSQL's frontend/backend protocol 3.0 and 3.2 (manual, "Message Formats"), as values.
 * Texts are Buffers where the bytes matter (statements, values) and strings where the protocol's own words do.
 * The codec (`codec.ts`) is symmetrical: `decode(encode(message))` is the message, for both sides.
 */

/** What comes first on a connection, without a tag. */
export type StartupMessage =
  | { readonly type: 'ssl-request' }
  | { readonly type: 'gssenc-request' }
  | { readonly type: 'cancel-request'; readonly processId: number; readonly secret: Buffer }
  | {
      readonly type: 'startup';
      readonly major: number;
      readonly minor: number;
      /** In order; a name may come twice, which is for the conversation to refuse. */
      readonly parameters: readonly (readonly [name: string, value: string])[];
    };

export type FrontendMessage =
  | { readonly type: 'query'; readonly text: Buffer }
  | {
      readonly type: 'parse';
      readonly statement: string;
      readonly text: Buffer;
      readonly parameterTypes: readonly number[];
    }
  | {
      readonly type: 'bind';
      readonly portal: string;
      readonly statement: string;
      readonly parameterFormats: readonly number[];
      readonly parameters: readonly (Buffer | null)[];
      readonly resultFormats: readonly number[];
    }
  | { readonly type: 'describe'; readonly what: 'statement' | 'portal'; readonly name: string }
  | { readonly type: 'execute'; readonly portal: string; readonly rowsMax: number }
  | { readonly type: 'close'; readonly what: 'statement' | 'portal'; readonly name: string }
  | { readonly type: 'flush' }
  | { readonly type: 'sync' }
  | { readonly type: 'terminate' }
  | { readonly type: 'copy-data'; readonly data: Buffer }
  | { readonly type: 'copy-done' }
  | { readonly type: 'copy-fail'; readonly message: string }
  | {
      readonly type: 'function-call';
      readonly functionOid: number;
      readonly argumentFormats: readonly number[];
      readonly arguments: readonly (Buffer | null)[];
      readonly resultFormat: number;
    }
  /** Tag `p`: a password, or SASL data, by what was asked. */
  | { readonly type: 'password'; readonly data: Buffer };

export type BackendMessage =
  | { readonly type: 'authentication-ok' }
  | { readonly type: 'authentication-cleartext' }
  | { readonly type: 'authentication-md5'; readonly salt: Buffer }
  | { readonly type: 'authentication-sasl'; readonly mechanisms: readonly string[] }
  | { readonly type: 'authentication-sasl-continue'; readonly data: Buffer }
  | { readonly type: 'authentication-sasl-final'; readonly data: Buffer }
  /** GSSAPI, SSPI, Kerberos, and whatever comes later. */
  | { readonly type: 'authentication-other'; readonly code: number; readonly data: Buffer }
  | { readonly type: 'backend-key-data'; readonly processId: number; readonly secret: Buffer }
  | { readonly type: 'parameter-status'; readonly name: string; readonly value: string }
  | { readonly type: 'ready-for-query'; readonly status: TransactionStatus }
  | { readonly type: 'row-description'; readonly fields: readonly Field[] }
  | { readonly type: 'data-row'; readonly values: readonly (Buffer | null)[] }
  | { readonly type: 'command-complete'; readonly tag: string }
  | { readonly type: 'empty-query' }
  | { readonly type: 'error'; readonly fields: ErrorFields }
  | { readonly type: 'notice'; readonly fields: ErrorFields }
  | { readonly type: 'notification'; readonly processId: number; readonly channel: string; readonly payload: string }
  | { readonly type: 'parse-complete' }
  | { readonly type: 'bind-complete' }
  | { readonly type: 'close-complete' }
  | { readonly type: 'no-data' }
  | { readonly type: 'portal-suspended' }
  | { readonly type: 'parameter-description'; readonly types: readonly number[] }
  | { readonly type: 'copy-in'; readonly format: number; readonly columnFormats: readonly number[] }
  | { readonly type: 'copy-out'; readonly format: number; readonly columnFormats: readonly number[] }
  | { readonly type: 'copy-both'; readonly format: number; readonly columnFormats: readonly number[] }
  | { readonly type: 'copy-data'; readonly data: Buffer }
  | { readonly type: 'copy-done' }
  | { readonly type: 'function-result'; readonly value: Buffer | null }
  | { readonly type: 'negotiate-version'; readonly minor: number; readonly unsupported: readonly string[] };

export type TransactionStatus = 'I' | 'T' | 'E';

export interface Field {
  readonly name: string;
  /** 0 where the output is computed. */
  readonly tableOid: number;
  readonly column: number;
  readonly typeOid: number;
  readonly typeSize: number;
  readonly typeModifier: number;
  /** 0 text, 1 binary. */
  readonly format: number;
}

/** By field letter (manual, "Error and Notice Message Fields"): `S` severity, `V` the same untranslated, `C` SQLSTATE, `M` message, `D`, `H`, … */
export type ErrorFields = Readonly<Record<string, string>>;

import type { Action, ActionDraft } from '../core/action.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { EntryIndex, EpochMs, ProtocolName, RequestId, SessionId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Limits } from '../core/limits.ts';
import type { Principal } from '../core/principal.ts';
import type { Clearance, Mask, Reason, ResultFacts, Verdict } from '../core/verdict.ts';

/**
 * The contract between a wire protocol and the gateway.
 *
 * A protocol is a value: events in, effects out, no sockets, timers, clocks or promises. `gateway/connection.ts` runs the
 * effects in order and turns what comes of them into events. A whole conversation, an approval pause included, is
 * therefore a table test.
 *
 * Ownership of bytes: the bytes of an event belong to the connection again when `handle` returns, except where they stand
 * in the returned effects, which are run before the next event. A conversation copies what it keeps.
 */
export interface Conversation {
  handle(event: WireEvent): readonly Effect[];
  /** False while so much of the client waits here that it should not be read. Absent: always true. */
  wantsClientBytes?(): boolean;
}

export type WireEvent =
  | { readonly on: 'client-bytes'; readonly bytes: Buffer }
  | { readonly on: 'upstream-bytes'; readonly bytes: Buffer }
  | { readonly on: 'client-closed' }
  | { readonly on: 'upstream-closed' }
  /** Answer to `begin-login`. */
  | { readonly on: 'login-method'; readonly method: LoginMethod }
  /** Answers to `identify`. */
  | { readonly on: 'identified'; readonly principal: Principal }
  | { readonly on: 'not-identified'; readonly reason: Reason }
  /** Answers to `open`: `opened` once policy allows it, `upstream-open` once the target's socket is connected. */
  | { readonly on: 'opened'; readonly sessionId: SessionId }
  | { readonly on: 'upstream-open'; readonly upstream: Upstream }
  | { readonly on: 'upstream-failed'; readonly reason: Reason }
  /** Answer to `start-tls`; `unique` holds what channel binding needs. */
  | { readonly on: 'tls-started'; readonly side: Side; readonly binding: TlsBinding }
  /** Answer to `derive`. */
  | { readonly on: 'derived'; readonly key: Buffer }
  /** Answer to `decide` and to `ask`, one for each key. */
  | { readonly on: 'verdict'; readonly key: number; readonly verdict: Verdict }
  /** A request was filed for these keys; once more every `hold_notice_ms` while it waits. */
  | { readonly on: 'held'; readonly keys: readonly number[]; readonly hold: Hold }
  /** The newest snapshot of the target's catalogue; opaque here, typed inside a protocol. Answers `look-up`, or comes unasked. */
  | { readonly on: 'catalogue'; readonly catalogue: unknown }
  /** Somebody who knows this session's cancel key asked to cancel. */
  | { readonly on: 'cancelled' }
  /** The connection that carried `cancel-upstream` is closed: what follows cannot be hit by it. */
  | { readonly on: 'cancel-delivered' }
  | { readonly on: 'revoked'; readonly reason: Reason }
  | { readonly on: 'drain' }
  | { readonly on: 'clock'; readonly at: EpochMs };

export type Effect =
  /** Bytes for the client. */
  | { readonly do: 'reply'; readonly bytes: Uint8Array }
  /** How may this user name log in? Answered by `login-method`. */
  | { readonly do: 'begin-login'; readonly user: string }
  /** Answered by `identified` or `not-identified`, in the same time whatever was wrong. */
  | { readonly do: 'identify'; readonly proof: Proof }
  /** Choose the target, ask the policy, start the session, connect. Answered by `opened`, `upstream-open`, `upstream-failed`; may be `held`. */
  | { readonly do: 'open'; readonly target: string; readonly clientName: string; readonly user: string }
  | { readonly do: 'start-tls'; readonly side: Side }
  /** PBKDF2-HMAC-SHA-256 off the event loop. Answered by `derived`. */
  | { readonly do: 'derive'; readonly secret: string; readonly salt: Uint8Array; readonly iterations: number }
  /** Is this action allowed? Answered by `verdict`, possibly before the next effect is run. Keys are the conversation's own. */
  | { readonly do: 'decide'; readonly key: number; readonly draft: ActionDraft }
  /** These were answered `ask`: obtain what is missing, as one request. Answered by one `verdict` for each. */
  | { readonly do: 'ask'; readonly keys: readonly number[]; readonly inTransaction: boolean }
  /** Nobody waits for these any more. Answered by nothing. */
  | { readonly do: 'withdraw'; readonly keys: readonly number[]; readonly why: 'cancelled' | 'client-gone' }
  /** Write an entry; what follows in the list is run once it is written. */
  | { readonly do: 'record'; readonly entry: ConversationEntry }
  /** Bytes of a cleared action for the target. Spends the clearance. */
  | { readonly do: 'forward'; readonly clearance: Clearance; readonly bytes: Uint8Array }
  /** Bytes for the target that carry no action: login, Sync, Flush, data of a cleared action, our own fixed messages. */
  | { readonly do: 'relay'; readonly bytes: Uint8Array }
  /** The catalogue lacks something: refresh it. Answered by `catalogue`. */
  | { readonly do: 'look-up'; readonly what: string }
  /** The client's cancel key: a CancelRequest that carries it reaches this conversation as `cancelled`. */
  | { readonly do: 'register-cancel'; readonly processId: number; readonly secret: Uint8Array }
  /** This connection is a CancelRequest. */
  | { readonly do: 'cancel-session'; readonly processId: number; readonly secret: Uint8Array }
  /** Send these bytes to the target on a connection of their own, inside TLS (asked for by `tlsRequest`) where the session is. Answered by `cancel-delivered`. */
  | { readonly do: 'cancel-upstream'; readonly bytes: Uint8Array; readonly tlsRequest: Uint8Array }
  /** The client gave a justification for what follows; empty takes it back. */
  | { readonly do: 'justify'; readonly justification: string }
  /** Worth a line in the log and a count, not an entry. */
  | { readonly do: 'notice'; readonly code: ErrorCode; readonly message: string }
  /** End both sides, after what was replied has been written. */
  | { readonly do: 'close'; readonly why: string; readonly code: ErrorCode | null };

export type Side = 'client' | 'upstream';

/** What `record` writes. The connection adds session, principal, target and time. */
export type ConversationEntry =
  | {
      readonly kind: 'prepared';
      readonly name: string;
      readonly text: Uint8Array;
      readonly verdict: 'forward' | 'refuse';
      readonly rule: string | null;
    }
  | {
      readonly kind: 'result';
      /** The entry of the action whose result this is. */
      readonly of: EntryIndex;
      readonly facts: ResultFacts;
      /** The masked result as the client sees it, as far as it is kept. */
      readonly sample: Uint8Array;
    }
  | { readonly kind: 'refused-bytes'; readonly code: ErrorCode; readonly message: string };

export type LoginMethod =
  /** RFC 5802; every live token's verifier of the account (one salt), or one of nobody for an unknown name. */
  | {
      readonly kind: 'scram-sha-256';
      readonly salt: Buffer;
      readonly iterations: number;
      readonly verifiers: readonly ScramVerifier[];
    }
  | { readonly kind: 'password' }
  | { readonly kind: 'refuse'; readonly reason: Reason };

export interface ScramVerifier {
  readonly id: string;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** What a client proved or claims. */
export type Proof =
  | { readonly kind: 'password'; readonly user: string; readonly secret: string }
  /** The conversation has verified the exchange against this verifier; `null`: against none. */
  | { readonly kind: 'scram'; readonly user: string; readonly verifier: string | null }
  | { readonly kind: 'client-certificate'; readonly user: string };

export interface TlsBinding {
  /** tls-server-end-point (RFC 5929 §4): the hash of the certificate presented by the server of that side. `null`: not available. */
  readonly serverEndPoint: Buffer | null;
  readonly alpn: string | null;
}

/** A connected target and how to log in there. */
export interface Upstream {
  readonly user: string;
  readonly password: string;
  /** What the target may ask for; anything else is refused (a spoofed target may ask for clear text). */
  readonly auth: 'scram-sha-256' | 'md5' | 'cleartext';
  readonly database: string;
  readonly tls: 'off' | 'require' | 'verify-full';
  /** `application_name` and settings the gateway pins on the session. */
  readonly settings: Readonly<Record<string, string>>;
  /** The catalogue as it is known now, or `null` where there is none yet. */
  readonly catalogue: unknown;
}

export interface Hold {
  readonly requestId: RequestId;
  readonly rule: string;
  readonly message: string;
  readonly approvers: string;
  readonly url: string | null;
  readonly expiresAt: EpochMs;
}

/** What a conversation may use: nothing of it reaches a socket. */
export interface ConversationContext {
  readonly limits: Limits;
  /** `start-tls` towards the client can be done. */
  readonly clientTls: boolean;
  /** A secret may cross in clear: TLS is on, or the client is on loopback and that was allowed. */
  readonly cleartextAllowed: boolean;
  /** The target of this port, or `null` where the client names it. */
  readonly listenerTarget: string | null;
  random(bytes: number): Buffer;
  /** How to mask a value of this type and format; `null` result is SQL NULL. Cheap to call, cached by the conversation. */
  cellMask(mask: Mask, type: CellType): CellMask;
}

export interface CellType {
  readonly typeOid: number;
  readonly typeModifier: number;
  /** 0 text, 1 binary. */
  readonly format: number;
  /** The column's id: tokens of one column are comparable, of two are not. */
  readonly column: string;
}

/** Given the bytes of a value (never NULL, which stays NULL), the bytes to show instead. May write into what it returned before. */
export type CellMask = (value: Buffer) => Buffer | null;

export interface WireProtocol {
  readonly name: ProtocolName;
  readonly style: 'wire';
  converse(context: ConversationContext): Conversation;
  /** What an approver and the record see of an action: text with parameters, invisible characters revealed. */
  display(draft: ActionDraft): string;
  /** Facts for the policy context that depend on this very action, not on its classification. */
  facts(action: Action): JsonObject;
}

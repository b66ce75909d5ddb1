import type { EntryIndex, EpochMs } from '../core/ids.ts';
import type { JsonValue } from '../core/json.ts';

export type EntryKind =
  | 'gateway-start'
  | 'gateway-stop'
  | 'session-start'
  | 'session-end'
  | 'login-refused'
  | 'prepared'
  | 'action'
  | 'result'
  | 'request'
  | 'decision'
  | 'receipt'
  | 'refused-bytes'
  | 'admin'
  | 'alert'
  | 'recovered';

/** The public part of an entry: it lies in the tree for ever, so it holds nothing that may have to be erased. */
export interface Envelope {
  readonly kind: EntryKind;
  readonly at: EpochMs;
  readonly session: string | null;
  readonly run: string | null;
  readonly principal: string | null;
  readonly target: string | null;
  readonly verb: string | null;
  readonly resources: readonly string[];
  readonly verdict: 'forward' | 'refuse' | 'ask' | 'observed' | null;
  readonly rules: readonly string[];
  /** Counts and sizes: rows, bytes, masked, parameters. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Index of the entry this one is about. */
  readonly of: EntryIndex | null;
  /** Codes, versions, digests of salted things: public facts particular to the kind. */
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
}

/** The part that can be erased or sealed; the entry commits to it. Empty object: nothing sealed. */
export type Sealed = Readonly<Record<string, JsonValue>>;

/** `read`: may cross once written; `other`: under `durability: writes` only once synced. */
export type Crossing = 'read' | 'other';

/** What this room offers: nothing happens that is not written down first. */
export interface RecordStage {
  /** Appends in order and writes (write(2)) before it returns. Throws GatewayError RECORD_UNAVAILABLE: then nothing may pass. */
  append(envelope: Envelope, sealed: Sealed): EntryIndex;
  /** `undefined` when it may cross now; else a promise that resolves when it may, and rejects when it never may. */
  durable(entry: EntryIndex, crossing: Crossing): Promise<void> | undefined;
  /** Whether a forwarding entry could be written at all: false on a full disk, where only refusals are still recorded. */
  accepting(): boolean;
}

import type { ActionId, EpochMs, ProtocolName, RunId, TargetName } from './ids.ts';
import type { JsonObject } from './json.ts';
import type { Principal } from './principal.ts';
import type { Resource } from './resource.ts';
import type { Session } from './session.ts';

export type Verb = 'open' | 'read' | 'write' | 'define' | 'execute' | 'administer' | 'unknown';

/** Verbs from harmless to worst; a statement has the worst of its parts. */
export const VERBS: readonly Verb[] = ['open', 'read', 'write', 'define', 'execute', 'administer', 'unknown'];

export function worseVerb(one: Verb, other: Verb): Verb {
  return VERBS.indexOf(one) >= VERBS.indexOf(other) ? one : other;
}

/** How much of the text was understood. Not `parsed`: `sql.opaque` is asked as well. */
export type Clarity = 'parsed' | 'partial' | 'opaque';

/** The policy actions, as the Cedar schema spells them. */
export type PolicyAction =
  | 'open'
  | `sql.${'read' | 'write' | 'define' | 'execute' | 'administer' | 'opaque'}`
  | `ssh.${'exec' | 'shell' | 'forward' | 'opaque'}`
  | `sftp.${'read' | 'write'}`
  | `k8s.${'read' | 'write' | 'delete' | 'exec' | 'forward' | 'mint' | 'rbac'}`
  | `http.${'read' | 'write' | 'opaque'}`
  | `mcp.${'list' | 'call'}`
  | 'runbook.run';

/** One question to the policy: may this be done to that? Every touch of an action must be allowed. */
export interface Touch {
  readonly action: PolicyAction;
  readonly resource: Resource;
}

export type Comparison = 'lookup' | 'join' | 'range' | 'pattern' | 'order' | 'group' | 'function';

/**
 * How a statement uses a column.
 * `reveal`: its value comes back as it is, in an output column of its own.
 * `compare`: its value decides something, or goes through an expression (`comparison` says which).
 * `assign`: it is written, or written from.
 * `mention`: its value may come back in an error, a notice or a message, though the statement shows it nowhere. Where it is
 * used in another way as well, only that way is said.
 */
export type ColumnUse =
  | { readonly use: 'reveal'; readonly column: Resource }
  | { readonly use: 'compare'; readonly column: Resource; readonly comparison: Comparison }
  | { readonly use: 'assign'; readonly column: Resource }
  | { readonly use: 'mention'; readonly column: Resource };

/**
 * What an action does, without its literals: the same object for the same statement shape as long as nothing that could
 * change its meaning has changed. Decisions are cached by its identity.
 */
export interface Classification {
  readonly verb: Verb;
  readonly clarity: Clarity;
  /** Never empty. */
  readonly touches: readonly Touch[];
  readonly uses: readonly ColumnUse[];
  /** Facts that policies may read as context; the protocol's part of the schema names them. */
  readonly facts: JsonObject;
  /** Why it is not `parsed`, or what was found worth saying; shown in errors and the record. */
  readonly findings: readonly string[];
}

/** One thing a client asks for, before anybody decided it. */
export interface ActionDraft {
  readonly classification: Classification;
  /** `query`, `bind`, `function-call`, `open`, …: the kind of message, part of what an approval binds. */
  readonly kind: string;
  /** The exact bytes of the statement or command. */
  readonly text: Uint8Array;
  /** Bind parameters in order, when there are any. */
  readonly parameters: readonly Parameter[];
  /** Session state that changes the meaning of the text: role, search_path, … One canonical string. */
  readonly state: string;
}

export interface Parameter {
  /** The type as the protocol names it (PostgreSQL: the type's OID in decimal, `0` unknown). */
  readonly type: string;
  readonly format: 'text' | 'binary';
  readonly value: Uint8Array | null;
}

/** A draft with its who, where and when. */
export interface Action extends ActionDraft {
  readonly id: ActionId;
  readonly session: Session;
  readonly runId: RunId | null;
  /** Position in its session, from 1. */
  readonly sequence: number;
  readonly protocol: ProtocolName;
  readonly target: TargetName;
  readonly principal: Principal;
  readonly at: EpochMs;
}

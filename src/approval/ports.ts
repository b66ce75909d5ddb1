import type { EpochMs, GroupId, PersonId, PrincipalId, RequestId, RuleId, Sha256 } from '../core/ids.ts';
import type { RequestView } from './stage.ts';

export type RequestState = RequestView['state'];

/** What one rule wants to hear before it lets go. */
export interface Requirement {
  readonly rule: RuleId;
  /** Any of these alternatives; each names groups that must all be heard, each from a person of its own. */
  readonly approvers: readonly (readonly GroupId[])[];
  /** So many different persons. */
  readonly count: number;
}

export interface Vote {
  readonly decision: 'approve' | 'deny';
  readonly principal: PrincipalId;
  readonly person: PersonId;
  /** The voter's groups when the vote was cast. */
  readonly groups: readonly GroupId[];
  readonly reason: string;
  readonly at: EpochMs;
}

/** A vote with the proof, made where the voter was identified, that it was cast for this request. */
export interface SignedVote extends Vote {
  readonly signature: string;
}

export interface ApprovalRequest {
  readonly id: RequestId;
  /** Counts up with every change; a change names the version it was made from. */
  readonly version: number;
  readonly state: RequestState;
  /** The gateway and its run that hold the action. */
  readonly gateway: string;
  readonly run: string;
  readonly digest: Sha256;
  readonly requirements: readonly Requirement[];
  /** The ids of everyone in the delegation chain, nearest first; none of them may decide. */
  readonly chain: readonly PrincipalId[];
  /** Their persons; none of these may decide, under whatever id. */
  readonly persons: readonly PersonId[];
  readonly createdAt: EpochMs;
  readonly expiresAt: EpochMs;
  readonly votes: readonly SignedVote[];
  /** The gateway's signature over everything that stays as it was filed. */
  readonly filing: string;
  /** Why it ended, where that needs saying. */
  readonly ended: string;
  /** What an approver is shown, besides what stands above. */
  readonly shown: Omit<RequestView, 'id' | 'state' | 'persons' | 'createdAt' | 'expiresAt' | 'decisions' | 'digest'>;
}

/** Where requests are kept. What lies there is memory, not authority: no row releases a hold. */
export interface RequestStore {
  insert(request: ApprovalRequest): Promise<void>;
  load(id: RequestId): Promise<ApprovalRequest | null>;
  /** Compare-and-set: `false`, and nothing changed, unless the stored version is the one before. */
  replace(request: ApprovalRequest): Promise<boolean>;
  /** The stored versions of those that exist. */
  versions(ids: readonly RequestId[]): Promise<ReadonlyMap<RequestId, number>>;
  /** The newest first. */
  list(filter: { readonly state?: RequestState; readonly items_max: number }): Promise<readonly ApprovalRequest[]>;
  /** Pending and approved requests that other runs of this gateway held. */
  unfinished(gateway: string, run: string): Promise<readonly ApprovalRequest[]>;
}

/** Ed25519 with the gateway's key for votes and receipts. */
export interface ReceiptSigner {
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  verify(bytes: Uint8Array, signature: Uint8Array): boolean;
}

export interface Clock {
  now(): EpochMs;
  /** Calls once after so many milliseconds. Returns how to call it off. */
  after(delay_ms: number, call: () => void): () => void;
}

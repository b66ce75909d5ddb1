import type { RequestView } from '../approval/stage.ts';
import type { EpochMs, PrincipalId, RequestId, SessionId, TargetName } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import type { Identification } from '../identity/stage.ts';
import type {
  CheckpointView,
  ExplainInput,
  Explanation,
  ObservedView,
  PolicySetView,
  PolicyTestInput,
  PolicyTestView,
  ProofView,
  ReadyView,
  RecordEvent,
  ReplayEvent,
  SessionView,
  TargetView,
  TokenCreated,
  TokenView,
} from './contract.ts';

/** The actions of the control plane, as the policy's schema names them. */
export type ControlAction =
  | 'admin.read'
  | 'admin.config'
  | 'admin.policy'
  | 'admin.revoke'
  | 'admin.audit'
  | 'admin.kill'
  | 'session.view'
  | 'request.decide'
  | 'token.create'
  | 'token.list'
  | 'token.revoke';

/** Who calls, after it has been established. */
export type Caller =
  /** Whoever may open `admin.sock`: root, or the gateway's own user. */
  { readonly kind: 'operator' } | { readonly kind: 'principal'; readonly identified: Identified };

export type Identified = Extract<Identification, { outcome: 'identified' }>;

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | null;
}

export interface PageInput {
  readonly limit: number;
  readonly after: string | undefined;
}

/** Everything the API needs of the rooms. It holds nothing and decides nothing itself. */
export interface ApiRooms {
  readonly identity: {
    identify(token: string, clientAddress: string): Promise<Identification>;
    /** Calls back once when this identification is revoked or ends. Returns how to stop watching. */
    watch(identified: Identified, ended: () => void): () => void;
    /** Ends everything of this principal; resolves when it is stored and its sessions are told. */
    revoke(principal: PrincipalId, by: Caller): Promise<{ readonly sessionsEnded: number }>;
  };
  readonly policy: {
    may(
      principal: Principal,
      action: ControlAction,
      clientAddress: string,
    ): { readonly allowed: boolean; readonly rules: readonly string[] };
    explain(input: ExplainInput): Promise<Explanation>;
    test(input: PolicyTestInput): Promise<PolicyTestView>;
    observed(input: PageInput): Promise<Page<ObservedView>>;
    set(withBuiltin: boolean): Promise<PolicySetView>;
  };
  readonly sessions: {
    list(filter: SessionFilter & PageInput): Promise<Page<SessionView>>;
    show(id: SessionId): Promise<SessionView | null>;
    events(id: SessionId, input: PageInput): Promise<Page<RecordEvent>>;
    /** `withResults: false`: every `result` is null. */
    replay(id: SessionId, withResults: boolean, input: PageInput): Promise<Page<ReplayEvent>>;
    /** False when there is no such live session. */
    kill(id: SessionId, by: Caller): Promise<boolean>;
    /** Calls back for each new entry of the session, or of all. Returns how to stop. */
    tail(session: SessionId | null, entry: (event: RecordEvent) => void, ended: (why: string) => void): () => void;
  };
  readonly requests: {
    /** `for: null`: all; else what this principal asked for or may decide. */
    list(
      filter: { readonly state: RequestView['state'] | undefined; readonly for: Principal | null } & PageInput,
    ): Promise<Page<RequestView>>;
    /** `null` also for one that `for` may not see. */
    show(id: RequestId, viewer: Principal | null): Promise<RequestView | null>;
    decide(
      id: RequestId,
      by: Principal,
      decision: 'approve' | 'deny',
      reason: string,
      digest: string | null,
    ): Promise<RequestView>;
  };
  readonly tokens: {
    create(
      input: { readonly account: string; readonly ttl_ms: number; readonly onBehalfOf: string | null },
      by: Caller,
    ): Promise<TokenCreated>;
    list(input: PageInput): Promise<Page<TokenView>>;
    revoke(id: string, by: Caller): Promise<boolean>;
  };
  readonly targets: {
    /** What this principal may open; `null`: all. */
    list(viewer: Principal | null): Promise<readonly TargetView[]>;
    notEnforced(): readonly { readonly target: TargetName; readonly until: EpochMs }[];
  };
  readonly audit: {
    checkpoint(): Promise<CheckpointView>;
    proof(entry: number): Promise<ProofView | null>;
    /** Writes down that the control plane was used, before it is. Throws when it cannot: then it is not. */
    record(use: ControlUse): Promise<void>;
  };
  readonly health: {
    ready(): ReadyView;
    metrics(): Promise<{ readonly text: string; readonly contentType: string }>;
    answered(route: string, status: number, seconds: number): void;
  };
}

export interface SessionFilter {
  readonly state: 'live' | 'ended' | undefined;
  readonly principal: string | undefined;
  readonly target: string | undefined;
}

export interface ControlUse {
  readonly action: ControlAction;
  readonly by: Caller;
  readonly clientAddress: string;
  /** The session, request, token or principal it is about; `null`: none in particular. */
  readonly subject: string | null;
  readonly outcome: 'allowed' | 'refused';
  readonly rules: readonly string[];
}

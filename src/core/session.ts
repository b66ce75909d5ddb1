import type { EpochMs, ProtocolName, RunId, SessionId, TargetName } from './ids.ts';
import type { Principal } from './principal.ts';
import type { Resource } from './resource.ts';

/** One client connection of one principal to one target. */
export interface Session {
  readonly id: SessionId;
  readonly runId: RunId | null;
  readonly protocol: ProtocolName;
  readonly principal: Principal;
  readonly target: TargetName;
  /** The target as policies see it, with its labels. */
  readonly resource: Resource;
  /** The database (or host, namespace …) at the target. */
  readonly database: string;
  /** The login used at the target: the credential's user. */
  readonly role: string;
  readonly clientAddress: string;
  /** What the client calls itself; a claim, not a fact. */
  readonly clientName: string;
  readonly startedAt: EpochMs;
  /** The session itself ends here, whatever it is doing; `null`: it does not. */
  readonly endsAt: EpochMs | null;
  /** Given by the client for the actions that follow; empty is none. Changes while the session lives. */
  justification: string;
}

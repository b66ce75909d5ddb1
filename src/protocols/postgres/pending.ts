import type { Limits } from '../../core/limits.ts';
import type { Actions } from './actions.ts';
import type { Gate } from './gate.ts';
import type { Gathering } from './gathering.ts';
import type { ClientFrame } from './input.ts';
import type { Ledger } from './ledger.ts';
import type { FrontendMessage } from './messages.ts';
import type { Outbox } from './outbox.ts';
import type { Sender } from './sending.ts';
import type { SessionState } from './state.ts';

export type Message<Type extends FrontendMessage['type']> = Extract<FrontendMessage, { type: Type }>;
export type Decided = Message<'query' | 'parse' | 'bind' | 'function-call'>;

/** A message of the client's that has to be decided, on its way to that. */
export interface Pending {
  readonly frame: ClientFrame;
  readonly message: Decided;
  lookedUp: boolean;
  stateAsked: boolean;
}

export interface DecidingParts {
  readonly limits: Limits;
  readonly actions: Actions;
  readonly state: SessionState;
  readonly sender: Sender;
  readonly ledger: Ledger;
  readonly gate: Gate;
  readonly gathering: Gathering;
  readonly out: Outbox;
}

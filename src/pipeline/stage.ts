import type { RequestView } from '../approval/stage.ts';
import type { Action } from '../core/action.ts';
import type { EntryIndex } from '../core/ids.ts';
import type { Clearance, Verdict } from '../core/verdict.ts';

/** What the pipeline offers to the connections of every protocol: the one decision point. */
export interface Pipeline {
  /** At once where nothing has to be synced or looked up. Never throws: a failure inside is a refusal. */
  decide(action: Action): Verdict | Promise<Verdict>;
  /** For actions that `decide` answered with `ask`: one request for all; one verdict each, in order. */
  ask(actions: readonly Action[], options: AskOptions): Promise<readonly Verdict[]>;
  /** The entry under which these bytes may pass, once. Throws for a clearance it did not mint, or minted and saw spent. */
  spend(clearance: Clearance): EntryIndex;
}

export interface AskOptions {
  readonly inTransaction: boolean;
  readonly signal: AbortSignal;
  readonly filed: (request: RequestView) => void;
}

import type { Field, TransactionStatus } from './messages.ts';
import type { RowPlan } from './rows.ts';
import type { Portal, Prepared, Work } from './work.ts';

/** What the walker over the target's answers asks of the rest of the conversation. */
export interface AnswersHost {
  readonly presenter: RowsPresenter;
  /** An error is the answer to nothing in particular, or to a Sync: do its texts have to go? */
  guarded(): boolean;
  readyForQuery(status: TransactionStatus): void;
  /** It has ended; `completed` of its statements succeeded. */
  finished(work: Work): void;
  /** The target reported an error about it. */
  failed(work: Work): void;
  /** More rows than a rule allows: the target is to stop. */
  cutOff(): void;
  copyInStarted(work: Work): void;
  parameterStatus(name: string, value: string): boolean;
  notification(): boolean;
}

/** Knows what rows are, and how they are shown. */
export interface RowsPresenter {
  /** What a RowDescription says, and how the rows of this action that it describes are shown. */
  describedRows(body: Buffer, work: Work): DescribedRows;
  /** What a statement's or portal's rows are was told; `null`: it has none. */
  statementDescribed(prepared: Prepared, body: Buffer | null): void;
  portalDescribed(portal: Portal, body: Buffer | null): void;
}

export interface DescribedRows {
  readonly fields: readonly Field[];
  readonly plan: RowPlan;
}

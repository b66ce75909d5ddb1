import type { Classification } from '../../core/action.ts';
import type { Catalogue } from './catalogue.ts';

/** What one text sent to an SQL server is, as far as a conversation has to know. */
export interface Statement {
  readonly classification: Classification;
  /** One for each statement of the text, in order; empty for an empty query. */
  readonly parts: readonly StatementPart[];
  /** It may change role, search_path, standard_conforming_strings …: ask the server before the next decision. */
  readonly changesState: boolean;
  /** It may change what names mean: refresh the catalogue afterwards. */
  readonly changesCatalogue: boolean;
  /** `SET sallyport.justification = '…'`: answered by the gateway where it stands alone. */
  readonly justification: string | null;
  /** Names the catalogue lacks; refresh it once and classify again before deciding. */
  readonly unknownNames: readonly string[];
  /** Ids of columns whose plain values the output may hold, as decided by `reveal`. */
  readonly revealed: ReadonlySet<string>;
  /** Ids of columns that go into a computed output column. */
  readonly computedFrom: ReadonlySet<string>;
}

export interface StatementPart {
  /** PostgreSQL's node name in lower case without `stmt`: `select`, `insert`, `copy`, `variableset`, … */
  readonly node: string;
  readonly copy: 'in' | 'out' | null;
  readonly transaction: 'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'rollback-to' | 'prepare' | null;
  /** `PREPARE name`, `EXECUTE name`, `DEALLOCATE name|ALL (null)`. */
  readonly prepares: string | null;
  readonly executes: string | null;
  readonly deallocates: string | null | undefined;
  /** `DECLARE name`, `FETCH/MOVE name`, `CLOSE name|ALL (null)`. */
  readonly declares: string | null;
  readonly fetches: string | null;
  readonly closes: string | null | undefined;
  /** For PREPARE and DECLARE: what the inner statement is; it is that when executed or fetched. */
  readonly inner: Statement | null;
}

/** What a text is classified against. */
export interface SqlContext {
  /** `null`: every name is unknown. */
  readonly catalogue: Catalogue;
  /** Effective search path, implicit pg_catalog not named; `null`: not known, so unqualified names are `partial`. */
  readonly searchPath: readonly string[] | null;
  /** Statements prepared under a name by SQL or by the protocol, and open cursors. */
  prepared(name: string): Statement | null;
  cursor(name: string): Statement | null;
}

/** Remembers what texts are: by exact text, and by literal-free text where no literal can change the classification. */
export interface Classifier {
  statement(text: Buffer, context: SqlContext): Statement;
}

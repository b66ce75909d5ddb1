import type { Resource } from '../../core/resource.ts';

/**
 * A snapshot of what a target database contains: what names mean, and where columns come from.
 * A name it lacks is unknown, never harmless. Identifiers are as the server folds them.
 */
export interface Catalogue {
  /** Counts up with every change that could change a decision. */
  readonly version: number;
  /** `TARGET` or `TARGET@DATABASE`. */
  readonly target: Resource;
  /** As `server_version_num`: 150018, 180004. */
  readonly serverVersion: number;
  /** The search path of a new session of the gateway's role, `$user` resolved, implicit pg_catalog not named. */
  readonly searchPath: readonly string[];
  schema(name: string): Resource | null;
  relation(schema: string, name: string): Relation | null;
  relationByOid(oid: number): Relation | null;
  relations(): Iterable<Relation>;
  /** All overloads. */
  functions(schema: string, name: string): readonly SqlFunction[];
  functionByOid(oid: number): SqlFunction | null;
  /** Operators of that name; those outside pg_catalog call somebody's function. */
  operators(schema: string, name: string): readonly SqlOperator[];
  /** A type's schema-qualified existence; casts to types outside pg_catalog call somebody's function. */
  type(schema: string, name: string): SqlType | null;
}

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind:
    | 'table'
    | 'partitioned-table'
    | 'view'
    | 'materialized-view'
    | 'foreign-table'
    | 'sequence'
    | 'index'
    | 'composite'
    | 'toast';
  /** Its `Table` resource, its own labels included. */
  readonly resource: Resource;
  /** By attribute number, dropped ones left out. */
  readonly columns: ReadonlyMap<number, Column>;
  columnByName(name: string): Column | null;
  /**
   * Relations that reading or writing it reaches, all the way down: what a view or rule names, partitions and inheriting
   * children; its own OID where there is nothing else.
   */
  readonly bases: readonly number[];
  /** Relations with a foreign key that points here, all the way: rows there may change or go with rows here. */
  readonly referencing: readonly number[];
  /** Functions not known harmless that run when it is read: in a view's definition, in row security. */
  readonly functionsOnRead: readonly number[];
  /** Functions not known harmless that run when it is written: triggers, rules, defaults, checks. */
  readonly functionsOnWrite: readonly number[];
}

export interface Column {
  readonly number: number;
  readonly name: string;
  readonly typeOid: number;
  /** `atttypmod`: for varchar(n) it is n + 4; -1 none. */
  readonly typeModifier: number;
  /** Its `Column` resource; labels are its own and those of every column it comes from. */
  readonly resource: Resource;
  /** Base columns it may come from: for a view's column those of its definition, for others itself. */
  readonly sources: readonly ColumnSource[];
  /** An expression of what it comes from: a generated column, or a view's column that is not a base column as it is. */
  readonly computed: boolean;
}

export interface ColumnSource {
  readonly relation: number;
  readonly column: number;
}

export interface SqlFunction {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly resource: Resource;
  readonly kind: 'function' | 'procedure' | 'aggregate' | 'window';
  readonly language: string;
  readonly volatility: 'immutable' | 'stable' | 'volatile';
  readonly securityDefiner: boolean;
  /** On the published list of functions that neither write, read files, reveal others' data nor take SQL as text. */
  readonly harmless: boolean;
}

export interface SqlOperator {
  readonly schema: string;
  readonly name: string;
  readonly functionOid: number;
}

export interface SqlType {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'base' | 'composite' | 'domain' | 'enum' | 'pseudo' | 'range' | 'multirange';
  /** For a domain its base, for an array its element; `null` otherwise. */
  readonly of: number | null;
  /** Functions outside pg_catalog that may run when a value becomes one: input, domain checks, casts. */
  readonly functions: readonly number[];
}

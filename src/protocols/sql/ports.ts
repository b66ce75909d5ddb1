/** What this room needs from outside: the raw contents of a target's system catalogue. */
export interface CatalogueReader {
  /** One consistent reading. Throws GatewayError CATALOGUE_UNAVAILABLE; too many objects are an error, never cut off. */
  read(): Promise<CatalogueRows>;
}

/** Rows as the server gave them: names are data. OIDs are numbers below 2^32. */
export interface CatalogueRows {
  /** `server_version_num`. */
  readonly serverVersion: number;
  /** `current_schemas(false)` of a new session. */
  readonly searchPath: readonly string[];
  readonly schemas: readonly { readonly oid: number; readonly name: string }[];
  readonly relations: readonly RelationRow[];
  readonly columns: readonly ColumnRow[];
  readonly functions: readonly FunctionRow[];
  readonly operators: readonly { readonly schema: number; readonly name: string; readonly function: number }[];
  readonly types: readonly TypeRow[];
  /** Partitions and inheriting children. */
  readonly inheritance: readonly { readonly child: number; readonly parent: number }[];
  readonly foreignKeys: readonly ForeignKeyRow[];
  /** Columns (`0`: the relation as such) that rewrite rules of a relation name: views, and rules on tables. */
  readonly ruleColumns: readonly { readonly relation: number; readonly from: number; readonly column: number }[];
  /** Columns a generated column is computed from. */
  readonly generatedFrom: readonly { readonly relation: number; readonly column: number; readonly from: number }[];
  /** Functions that run when a relation is read or written, outside pg_catalog. */
  readonly relationFunctions: readonly {
    readonly relation: number;
    readonly function: number;
    readonly on: 'read' | 'write' | 'both';
  }[];
  /** Functions that run when a value becomes a type: input, domain checks, casts. */
  readonly typeFunctions: readonly { readonly type: number; readonly function: number }[];
  /** `pg_get_viewdef` of views and materialized views outside the system schemas, every name qualified. */
  readonly views: readonly { readonly relation: number; readonly definition: string }[];
}

export interface RelationRow {
  readonly oid: number;
  readonly schema: number;
  readonly name: string;
  /** `relkind`. */
  readonly kind: string;
}

export interface ColumnRow {
  readonly relation: number;
  readonly number: number;
  readonly name: string;
  readonly type: number;
  readonly modifier: number;
}

export interface FunctionRow {
  readonly oid: number;
  readonly schema: number;
  readonly name: string;
  /** `prokind`, `provolatile`. */
  readonly kind: string;
  readonly volatility: string;
  readonly language: string;
  readonly securityDefiner: boolean;
  /** The extension it belongs to. */
  readonly extension: string | null;
}

export interface TypeRow {
  readonly oid: number;
  readonly schema: number;
  readonly name: string;
  /** `typtype`. */
  readonly kind: string;
  /** A domain's base, an array's element, else 0. */
  readonly of: number;
}

export interface ForeignKeyRow {
  readonly relation: number;
  readonly columns: readonly number[];
  readonly referenced: number;
  readonly referencedColumns: readonly number[];
}

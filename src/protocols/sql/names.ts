import type { PolicyAction } from '../../core/action.ts';
import { UNCLASSIFIED } from '../../core/resource.ts';
import type { Catalogue, Relation, SqlFunction } from './catalogue.ts';
import { memberId, newTable, schemaResource, unknownMember } from './identifiers.ts';
import type { Tally } from './tally.ts';

/** A relation as the grammar gives it. */
export interface RelationName {
  readonly schema: string | null;
  readonly name: string;
}

/** Resolves names as PostgreSQL does (manual, 5.10.3), and says in the tally what it took them for. */
export class Names {
  readonly catalogue: Catalogue;
  private readonly tally: Tally;
  private readonly searchPath: readonly string[] | null;
  /** A statement before this one in the same text may have changed what names mean. */
  private unsettled: string | null = null;

  constructor(catalogue: Catalogue, searchPath: readonly string[] | null, tally: Tally) {
    this.catalogue = catalogue;
    this.searchPath = searchPath;
    this.tally = tally;
  }

  unsettle(why: string): void {
    this.unsettled ??= why;
  }

  /** The relation, or `null` for one the catalogue lacks; touched either way, with everything behind it. */
  relation(name: RelationName, action: PolicyAction): Relation | null {
    const relation = this.find(name);
    if (relation === null) {
      const schema = name.schema ?? TEMPORARY;
      const resource = unknownMember(this.catalogue, 'Table', schema, name.name);
      this.tally.unknownNames.add(name.schema === null ? name.name : `${name.schema}.${name.name}`);
      this.tally.tables.add(resource.id);
      this.tally.touch(action, resource);
      return null;
    }
    this.touchRelation(relation, action);
    return relation;
  }

  find(name: RelationName): Relation | null {
    if (name.schema !== null) {
      this.settled(name.name);
      return this.catalogue.relation(name.schema, name.name);
    }
    for (const schema of this.path(name.name)) {
      const relation = this.catalogue.relation(schema, name.name);
      if (relation !== null) return relation;
    }
    return null;
  }

  touchRelation(relation: Relation, action: PolicyAction): void {
    this.tally.tables.add(relation.resource.id);
    this.tally.touch(action, relation.resource);
    // Defining something does not reach what lies behind it.
    if (action !== 'sql.read' && action !== 'sql.write') return;
    for (const oid of relation.bases) {
      if (oid === relation.oid) continue;
      const base = this.catalogue.relationByOid(oid);
      if (base !== null) this.tally.touch(action, base.resource);
      else this.tally.partial(`${relation.name} reads a relation that the catalogue lacks`);
    }
    const written = action === 'sql.write' && !this.tally.planning;
    this.runs(written ? [...relation.functionsOnRead, ...relation.functionsOnWrite] : relation.functionsOnRead);
  }

  /** Where a new relation will lie: the named schema, else the first of the path that exists. */
  created(name: RelationName, declaredTemporary: boolean): void {
    const temporary = declaredTemporary || (name.schema?.startsWith(TEMPORARY) ?? false);
    const schema = temporary ? TEMPORARY : (name.schema ?? this.creationSchema(name.name));
    const existing = temporary ? null : this.catalogue.relation(schema, name.name);
    const resource = existing?.resource ?? newTable(this.catalogue, schema, name.name);
    this.tally.tables.add(resource.id);
    this.tally.touch('sql.define', resource);
    // Temporary relations come before everything else on the path (manual, 5.10.3): what the name means changes.
    if (temporary && this.find({ schema: null, name: name.name }) !== null) {
      this.tally.opaque(`the temporary relation ${name.name} would hide another of that name`);
    }
  }

  creationSchema(name: string): string {
    for (const schema of this.path(name)) {
      if (schema !== CATALOG_SCHEMA && this.catalogue.schema(schema) !== null) return schema;
    }
    return TEMPORARY;
  }

  /** Every function a call may reach: overloads of all schemas on the path compete (manual, 10.3). */
  candidates(parts: readonly string[]): readonly SqlFunction[] {
    const name = parts.at(-1) ?? '';
    const schema = parts.at(-2);
    if (schema !== undefined) {
      this.settled(name);
      return this.catalogue.functions(schema, name);
    }
    return this.functionPath(name).flatMap((each) => this.catalogue.functions(each, name));
  }

  /** A call of a function that nobody knows. */
  unknownFunction(parts: readonly string[]): void {
    const name = parts.at(-1) ?? '';
    const schema = parts.at(-2) ?? this.searchPath?.[0] ?? CATALOG_SCHEMA;
    this.tally.unknownNames.add(parts.join('.'));
    this.tally.touch('sql.execute', {
      kind: 'Function',
      id: memberId(this.catalogue.target, schema, name),
      labels: [UNCLASSIFIED],
      parent: parts.length > 1 ? schemaResource(this.catalogue, schema) : this.catalogue.target,
    });
  }

  operator(parts: readonly string[]): void {
    const name = parts.at(-1) ?? '';
    const schema = parts.at(-2);
    const schemas = schema === undefined ? this.functionPath(name) : [schema];
    const operators = schemas.flatMap((each) => this.catalogue.operators(each, name));
    if (operators.length === 0) this.unknownFunction(parts);
    // Operators of pg_catalog are the built-in types' own; none of them writes, reads files or takes SQL.
    for (const operator of operators) if (operator.schema !== CATALOG_SCHEMA) this.runs([operator.functionOid]);
  }

  /** Whether the name is a type. What a cast to it calls is touched. */
  type(parts: readonly string[]): boolean {
    const name = parts.at(-1) ?? '';
    const schema = parts.at(-2);
    const schemas = schema === undefined ? this.path(name) : [schema];
    for (const each of schemas) {
      const type = this.catalogue.type(each, name);
      if (type === null) continue;
      if (each !== CATALOG_SCHEMA) this.runs(type.functions);
      return true;
    }
    return false;
  }

  /** These functions run, called by nothing that stands in the text. */
  runs(oids: readonly number[]): void {
    for (const oid of oids) {
      const found = this.catalogue.functionByOid(oid);
      if (found === null) this.unknownFunction([`function ${oid}`]);
      else if (!found.harmless) {
        this.tally.touch('sql.execute', found.resource);
        this.tally.changesState = true;
      }
    }
  }

  /** Relations and types: temporary ones (which no snapshot shows), pg_catalog unless named, the path. */
  private path(name: string): readonly string[] {
    this.settled(name);
    const named = this.searchPath ?? this.catalogue.searchPath;
    if (this.searchPath === null) this.tally.partial(`the search path is not known, so ${name} may be another`);
    return named.includes(CATALOG_SCHEMA) ? named : [CATALOG_SCHEMA, ...named];
  }

  /** A path that is not known matters only for names that are not all in pg_catalog; shadowing counts as well. */
  private functionPath(name: string): readonly string[] {
    const named = this.searchPath ?? this.catalogue.searchPath;
    if (this.searchPath === null) this.tally.partial(`the search path is not known, so ${name} may be another`);
    return named.includes(CATALOG_SCHEMA) ? named : [CATALOG_SCHEMA, ...named];
  }

  private settled(name: string): void {
    if (this.unsettled !== null) this.tally.partial(`${this.unsettled}, so ${name} may be another`);
  }
}

export const CATALOG_SCHEMA = 'pg_catalog';
/** A relation without schema that no schema has can only be temporary (or not exist). */
export const TEMPORARY = 'pg_temp';

import type { PolicyAction } from '../../core/action.ts';
import { UNCLASSIFIED } from '../../core/resource.ts';
import type { Catalogue, Relation, SqlFunction, SqlType } from './catalogue.ts';
import { memberId, newTable, nowhere, nowhereId, schemaResource, unknownMember } from './identifiers.ts';
import { mentioned } from './mentioned.ts';
import { SENSITIVE_CATALOG } from './sensitive.ts';
import { SHOWS_EVERYTHING } from './special.ts';
import type { Tally } from './tally.ts';

/** A relation as the grammar gives it. */
export interface RelationName {
  readonly schema: string | null;
  readonly name: string;
}

/** Where unqualified names are looked for, implicit pg_catalog not named. */
export interface SearchPath {
  /** `null`: not known. */
  readonly schemas: readonly string[] | null;
  /**
   * As a statement of the text lists it, not as the server has it: schemas that do not exist, or that the role may not use,
   * are passed over there (catalog/namespace.c, recomputeNamespacePath).
   */
  readonly listed: boolean;
}

/** Resolves names as PostgreSQL does (manual, 5.10.3), and says in the tally what it took them for. */
export class Names {
  readonly catalogue: Catalogue;
  private readonly tally: Tally;
  private readonly path: SearchPath;
  /** A statement before this one in the same text may have changed what names mean. */
  private unsettled: string | null = null;

  constructor(catalogue: Catalogue, path: SearchPath, tally: Tally) {
    this.catalogue = catalogue;
    this.path = path;
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
    return this.first(name.name, (schema) => this.catalogue.relation(schema, name.name));
  }

  touchRelation(relation: Relation, action: PolicyAction): void {
    this.tally.tables.add(relation.resource.id);
    this.tally.touch(action, relation.resource);
    for (const each of mentioned(this.catalogue, relation, action)) this.tally.mention(each);
    if (isSensitive(relation)) this.showsEverything(relation.name);
    // Defining something does not reach what lies behind it.
    if (action !== 'sql.read' && action !== 'sql.write') return;
    for (const oid of relation.bases) {
      if (oid === relation.oid) continue;
      const base = this.catalogue.relationByOid(oid);
      if (base !== null) {
        this.tally.touch(action, base.resource);
        if (isSensitive(base)) this.showsEverything(base.name);
      } else this.tally.partial(`${relation.name} reads a relation that the catalogue lacks`);
    }
    const written = action === 'sql.write' && !this.tally.planning;
    this.runs(written ? [...relation.functionsOnRead, ...relation.functionsOnWrite] : relation.functionsOnRead);
  }

  /** A relation or function that does. */
  showsEverything(name: string): void {
    this.tally.compareEverything(`${name} shows values of any column, or texts with such values`);
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
    const exists = (schema: string) => schema !== CATALOG_SCHEMA && this.catalogue.schema(schema) !== null;
    return this.first(name, (schema) => (exists(schema) ? schema : null)) ?? TEMPORARY;
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
    const schema = parts.at(-2);
    const { catalogue } = this;
    this.tally.unknownNames.add(parts.join('.'));
    this.tally.changesState = true;
    this.tally.touch('sql.execute', {
      kind: 'Function',
      id: schema === undefined ? nowhereId(catalogue, name) : memberId(catalogue.target, schema, name),
      labels: [UNCLASSIFIED],
      parent: schema === undefined ? nowhere(catalogue) : schemaResource(catalogue, schema),
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
    const type = this.findType(parts);
    if (type !== null && type.schema !== CATALOG_SCHEMA) this.runs(type.functions);
    return type !== null;
  }

  findType(parts: readonly string[]): SqlType | null {
    const name = parts.at(-1) ?? '';
    const schema = parts.at(-2);
    return schema === undefined
      ? this.first(name, (each) => this.catalogue.type(each, name))
      : this.catalogue.type(schema, name);
  }

  /** These functions run, called by nothing that stands in the text. */
  runs(oids: readonly number[]): void {
    for (const oid of oids) {
      const found = this.catalogue.functionByOid(oid);
      if (found === null) this.unknownFunction([`function ${oid}`]);
      else if (!found.harmless) {
        if (SHOWS_EVERYTHING.has(found.name)) this.showsEverything(found.name);
        this.tally.touch('sql.execute', found.resource);
        this.tally.changesState = true;
      }
    }
  }

  /** Relations and types: temporary ones (which no snapshot shows), pg_catalog unless named, the path; the first counts. */
  private first<Found>(name: string, of: (schema: string) => Found | null): Found | null {
    this.settled(name);
    let found: Found | null = null;
    for (const schema of this.functionPath(name)) {
      const candidate = of(schema);
      if (candidate === null) continue;
      // The server may pass over a schema that was only listed, but never over its own.
      if (found === null && (!this.path.listed || schema === CATALOG_SCHEMA)) return candidate;
      if (found !== null) {
        this.tally.partial(`the text sets a search path on which there is more than one ${name}`);
        return found;
      }
      found = candidate;
    }
    return found;
  }

  /** A path that is not known matters only for names that are not all in pg_catalog; shadowing counts as well. */
  private functionPath(name: string): readonly string[] {
    const named = this.path.schemas ?? this.catalogue.searchPath;
    if (this.path.schemas === null) this.tally.partial(`the search path is not known, so ${name} may be another`);
    return named.includes(CATALOG_SCHEMA) ? named : [CATALOG_SCHEMA, ...named];
  }

  private settled(name: string): void {
    if (this.unsettled !== null) this.tally.partial(`${this.unsettled}, so ${name} may be another`);
  }
}

function isSensitive({ resource }: Relation): boolean {
  return resource.labels.includes(SENSITIVE_CATALOG);
}

export const CATALOG_SCHEMA = 'pg_catalog';
/** A relation without schema that no schema has can only be temporary (or not exist). */
export const TEMPORARY = 'pg_temp';

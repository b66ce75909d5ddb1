import type { Clarity, ColumnUse, Comparison, PolicyAction, Touch, Verb } from '../../core/action.ts';
import { worseVerb } from '../../core/action.ts';
import { type Resource, UNCLASSIFIED } from '../../core/resource.ts';
import type { Catalogue, Column, Relation } from './catalogue.ts';
import { useKey, usesOfEverything } from './everything.ts';
import { nowhere, nowhereId, quoted } from './identifiers.ts';
import type { Lineage } from './lineage.ts';
import type { Statement } from './statement.ts';

/** What a statement adds up to: every touch and use found anywhere in it. It only ever grows. */
export class Tally {
  readonly catalogue: Catalogue;
  readonly touches = new Map<string, Touch>();
  readonly uses = new Map<string, ColumnUse>();
  readonly findings = new Set<string>();
  readonly functions = new Set<string>();
  readonly tables = new Set<string>();
  readonly unknownNames = new Set<string>();
  readonly revealed = new Set<string>();
  readonly computedFrom = new Set<string>();
  /** Byte offsets of literals whose value cannot change the classification. */
  readonly freeLiterals = new Set<number>();
  clarity: Clarity = 'parsed';
  verb: Verb = 'read';
  changesState = false;
  changesCatalogue = false;
  /** The search path a statement sets; `null`: which one is not known. `undefined`: it sets none. */
  searchPath: readonly string[] | null | undefined = undefined;
  justification: string | null = null;
  /** An UPDATE or DELETE without WHERE. */
  unfiltered = false;
  /** Only planned (EXPLAIN): relations are looked at, nothing is written. */
  planning = false;

  constructor(catalogue: Catalogue) {
    this.catalogue = catalogue;
  }

  touch(action: PolicyAction, resource: Resource): void {
    const effective = this.planning && (action === 'sql.write' || action === 'sql.define') ? 'sql.read' : action;
    this.touches.set(`${effective} ${resource.kind} ${resource.id}`, { action: effective, resource });
    this.verb = worseVerb(this.verb, VERB_OF[effective] ?? 'read');
  }

  touchTarget(action: PolicyAction): void {
    this.touch(action, this.catalogue.target);
  }

  /** What it does is not known at all. */
  opaque(finding: string): void {
    this.clarity = 'opaque';
    this.findings.add(finding);
    this.touchTarget('sql.opaque');
    this.verb = worseVerb(this.verb, 'execute');
  }

  /** What it does is known, but not to what. */
  partial(finding: string): void {
    if (this.clarity === 'parsed') this.clarity = 'partial';
    this.findings.add(finding);
    this.touchTarget('sql.opaque');
  }

  /** Everything another statement adds up to as well. */
  absorb(statement: Statement): void {
    const { classification } = statement;
    for (const { action, resource } of classification.touches) this.touch(action, resource);
    for (const use of classification.uses) this.use(use);
    for (const finding of classification.findings) this.findings.add(finding);
    for (const id of statement.revealed) this.revealed.add(id);
    for (const id of statement.computedFrom) this.computedFrom.add(id);
    for (const name of statement.unknownNames) this.unknownNames.add(name);
    if (classification.clarity === 'opaque') this.clarity = 'opaque';
    else if (classification.clarity === 'partial' && this.clarity === 'parsed') this.clarity = 'partial';
    if (!this.planning || classification.verb === 'unknown') this.verb = worseVerb(this.verb, classification.verb);
    this.changesState ||= statement.changesState;
    if (statement.changesState) this.searchPath = null;
    this.changesCatalogue ||= statement.changesCatalogue;
    for (const [fact, into] of [
      ['functions', this.functions],
      ['tables', this.tables],
    ] as const) {
      const names = classification.facts[fact];
      if (Array.isArray(names)) for (const name of names) if (typeof name === 'string') into.add(name);
    }
  }

  /** What would have been put out is stored. */
  storeRevealed(): void {
    for (const { use, column } of [...this.uses.values()]) if (use === 'reveal') this.use({ use: 'assign', column });
  }

  reveal(lineage: Lineage): void {
    for (const resource of this.withSources(lineage)) {
      this.revealed.add(resource.id);
      this.use({ use: 'reveal', column: resource });
    }
  }

  compare(lineage: Lineage, comparison: Comparison): void {
    for (const resource of this.withSources(lineage)) this.use({ use: 'compare', column: resource, comparison });
  }

  /** These go into an output column that is not one of them as it is. */
  compute(lineage: Lineage): void {
    for (const resource of this.withSources(lineage)) this.computedFrom.add(resource.id);
    this.compare(lineage, 'function');
  }

  assign(lineage: Lineage): void {
    for (const resource of this.withSources(lineage)) this.use({ use: 'assign', column: resource });
  }

  /** Whatever happens to these rows, an error or notice may quote any of their values. */
  mention(relation: Relation): void {
    for (const { resource } of relation.columns.values()) this.use({ use: 'mention', column: resource });
  }

  /** Anything that the database holds may be in what this shows. */
  compareEverything(finding: string): void {
    this.findings.add(finding);
    const everything = usesOfEverything(this.catalogue);
    if (everything === null) this.opaque(`${finding}, more than can be asked about`);
    else for (const [key, use] of everything) this.uses.set(key, use);
  }

  /** A column is mentioned only where nothing more is done with it. */
  get columnUses(): readonly ColumnUse[] {
    const uses = [...this.uses.values()];
    const used = new Set(uses.flatMap(({ use, column }) => (use === 'mention' ? [] : column.id)));
    return uses.filter(({ use, column }) => use !== 'mention' || !used.has(column.id));
  }

  /** A column that the catalogue does not know, even after it was read again: asked about as unclassified. */
  unknownColumn(name: string): void {
    const { catalogue } = this;
    const parent: Resource = {
      kind: 'Table',
      id: nowhereId(catalogue, '?'),
      labels: [UNCLASSIFIED],
      parent: nowhere(catalogue),
    };
    const column: Resource = {
      kind: 'Column',
      id: `${parent.id}.${quoted(name)}`,
      labels: [UNCLASSIFIED],
      parent,
    };
    this.unknownNames.add(name);
    this.use({ use: 'compare', column, comparison: 'function' });
  }

  private use(use: ColumnUse): void {
    this.uses.set(useKey(use), use);
  }

  /** A view's column is itself and what it shows. */
  private *withSources(lineage: Lineage): Iterable<Resource> {
    for (const column of lineage) {
      yield column.resource;
      for (const source of this.sourcesOf(column)) yield source;
    }
  }

  private *sourcesOf(column: Column): Iterable<Resource> {
    for (const source of column.sources) {
      const base = this.catalogue.relationByOid(source.relation)?.columns.get(source.column);
      if (base !== undefined && base !== column) yield base.resource;
    }
  }
}

const VERB_OF: Readonly<Partial<Record<PolicyAction, Verb>>> = {
  'sql.read': 'read',
  'sql.write': 'write',
  'sql.define': 'define',
  'sql.execute': 'execute',
  'sql.administer': 'administer',
};

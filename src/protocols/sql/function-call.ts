import type { Catalogue } from './catalogue.ts';
import { CATALOG_SCHEMA } from './names.ts';
import { ADMINISTERS, SEQUENCE_READS, SEQUENCE_WRITES, SHOWS_EVERYTHING, TAKES_SQL } from './special.ts';
import type { Statement } from './statement.ts';
import { Tally } from './tally.ts';

/** A call by number, outside any text (manual, Function Call): what the function may do with whatever it is given. */
export function functionCallStatement(catalogue: Catalogue, oid: number): Statement {
  const tally = new Tally(catalogue);
  tally.findings.add('a function is called by its number');
  const found = catalogue.functionByOid(oid);
  tally.touch('sql.execute', found?.resource ?? catalogue.target);
  if (found === null) {
    tally.opaque(`no function has the number ${oid}`);
  } else {
    const { schema, name, resource } = found;
    tally.functions.add(`${schema}.${name}`);
    if (schema === CATALOG_SCHEMA && ADMINISTERS.has(name)) tally.touch('sql.administer', resource);
    if (SHOWS_EVERYTHING.has(name))
      tally.compareEverything(`${name} shows values of any column, or texts with such values`);
    if (TAKES_SQL.has(name))
      tally.opaque(`${name} runs SQL that it is given as text, or reads relations given by name`);
    if (SEQUENCE_READS.has(name) || SEQUENCE_WRITES.has(name))
      tally.opaque(`${name} acts on a relation that it is given`);
  }
  return {
    classification: {
      verb: tally.verb,
      clarity: tally.clarity,
      touches: [...tally.touches.values()],
      uses: tally.columnUses,
      facts: { statement: [], hasWhere: false, functions: [...tally.functions], tables: [] },
      findings: [...tally.findings],
    },
    parts: [],
    // A function may do anything that a text may do.
    changesState: true,
    changesCatalogue: false,
    justification: null,
    unknownNames: [],
    revealed: new Set(),
    computedFrom: new Set(),
  };
}

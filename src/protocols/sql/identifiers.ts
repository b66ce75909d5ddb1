import { type Resource, UNCLASSIFIED } from '../../core/resource.ts';
import type { Catalogue } from './catalogue.ts';

/**
 * A name as `quote_ident` writes it (ruleutils.c): bare when it is lower case, begins with a letter or underscore and
 * is no keyword of the reserved kinds; the keyword list does not matter for identity, so it is left out here.
 */
export function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

export function schemaId(target: Resource, schema: string): string {
  return `${target.id}/${quoted(schema)}`;
}

export function memberId(target: Resource, schema: string, name: string): string {
  return `${schemaId(target, schema)}.${quoted(name)}`;
}

export function isSystemSchema(name: string): boolean {
  return name === 'pg_catalog' || name === 'information_schema';
}

/** A schema the catalogue has, or one it lacks: then unclassified. */
export function schemaResource(catalogue: Catalogue, schema: string): Resource {
  return (
    catalogue.schema(schema) ?? {
      kind: 'Schema',
      id: schemaId(catalogue.target, schema),
      labels: [UNCLASSIFIED],
      parent: catalogue.target,
    }
  );
}

/** Something in a schema that the catalogue does not know. */
export function unknownMember(
  catalogue: Catalogue,
  kind: 'Table' | 'Function',
  schema: string,
  name: string,
): Resource {
  return {
    kind,
    id: memberId(catalogue.target, schema, name),
    labels: [UNCLASSIFIED],
    parent: schemaResource(catalogue, schema),
  };
}

/** A table that this very statement makes. */
export function newTable(catalogue: Catalogue, schema: string, name: string): Resource {
  return {
    kind: 'Table',
    id: memberId(catalogue.target, schema, name),
    labels: [],
    parent: schemaResource(catalogue, schema),
  };
}

/** The schema of names that stand alone and that no schema of the catalogue has. */
export function nowhere(catalogue: Catalogue): Resource {
  return { kind: 'Schema', id: `${catalogue.target.id}/?`, labels: [UNCLASSIFIED], parent: catalogue.target };
}

/** No name of the catalogue is written so: a question mark would stand in quotes. */
export function nowhereId(catalogue: Catalogue, name: string): string {
  return `${catalogue.target.id}/?.${name === '?' ? name : quoted(name)}`;
}

import { GatewayError } from '../../core/errors.ts';
import { type CatalogueConnection, withCatalogue } from './reader.ts';

/** What an approval binds of the objects a statement names, as `quote_ident` would write them: `public.customers`. */
export interface ObjectNames {
  readonly relations: readonly string[];
  readonly functions: readonly string[];
}

/**
 * A text for each object that differs once its definition does: a table's columns, constraints and triggers, a view's
 * rule, a policy, a function's body. PostgreSQL writes a new catalogue row for each such change, and `xmin` names the
 * transaction that wrote it (manual, "System Columns"). What does not exist is said to be absent.
 */
export function readVersions(connection: CatalogueConnection, names: ObjectNames): Promise<readonly string[]> {
  return withCatalogue(connection, async (client) => {
    const { rows } = await client.query<{ version: unknown }>(VERSIONS, [names.relations, names.functions]);
    return rows.map(({ version }) => {
      if (typeof version === 'string') return version;
      throw new GatewayError('CATALOGUE_UNAVAILABLE', 'the target gave no versions of what a statement names');
    });
  });
}

const VERSIONS = `
SELECT 'relation ' || asked.name || ' ' || coalesce(c.oid::text || ' ' || pg_catalog.md5(pg_catalog.concat_ws(' ', c.xmin::text,
    (SELECT pg_catalog.string_agg(a.xmin::text, ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid),
    (SELECT pg_catalog.string_agg(d.xmin::text, ',' ORDER BY d.oid) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = c.oid),
    (SELECT pg_catalog.string_agg(k.xmin::text, ',' ORDER BY k.oid) FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid),
    (SELECT pg_catalog.string_agg(r.xmin::text, ',' ORDER BY r.oid) FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid),
    (SELECT pg_catalog.string_agg(l.xmin::text, ',' ORDER BY l.oid) FROM pg_catalog.pg_policy l WHERE l.polrelid = c.oid),
    (SELECT pg_catalog.string_agg(t.xmin::text || p.xmin::text, ',' ORDER BY t.oid)
       FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = c.oid))), 'absent') AS version
FROM pg_catalog.unnest($1::text[]) asked(name)
LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(asked.name)
UNION ALL
SELECT 'function ' || asked.name || ' ' || coalesce(
    (SELECT pg_catalog.string_agg(p.oid::text || ':' || p.xmin::text, ',' ORDER BY p.oid)
     FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = (pg_catalog.parse_ident(asked.name))[1] AND p.proname = (pg_catalog.parse_ident(asked.name))[2]), 'absent')
FROM pg_catalog.unnest($2::text[]) asked(name)`;

/**
 * What is read from a PostgreSQL catalogue (13 to 18), one query for each list of `CatalogueRows`. Every name is
 * qualified: the search path of the reading session is empty.
 */
export const CATALOGUE_QUERIES = {
  schemas: `SELECT oid::int8 AS oid, nspname AS name FROM pg_catalog.pg_namespace`,

  relations: `SELECT c.oid::int8 AS oid, c.relnamespace::int8 AS schema, c.relname AS name, c.relkind::text AS kind
    FROM pg_catalog.pg_class c
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I', 'c', 't') AND c.relpersistence <> 't'`,

  columns: `SELECT a.attrelid::int8 AS relation, a.attnum::int4 AS number, a.attname AS name, a.atttypid::int8 AS type,
      a.atttypmod AS modifier
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 't')
      AND c.relpersistence <> 't'`,

  functions: `SELECT p.oid::int8 AS oid, p.pronamespace::int8 AS schema, p.proname AS name, p.prokind::text AS kind,
      p.provolatile::text AS volatility, l.lanname AS language, p.prosecdef AS "securityDefiner", e.extname AS extension
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
      AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
    LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid`,

  operators: `SELECT oprnamespace::int8 AS schema, oprname AS name, oprcode::int8 AS function FROM pg_catalog.pg_operator`,

  types: `SELECT t.oid::int8 AS oid, t.typnamespace::int8 AS schema, t.typname AS name, t.typtype::text AS kind,
      CASE WHEN t.typtype = 'd' THEN t.typbasetype WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END::int8 AS of
    FROM pg_catalog.pg_type t`,

  inheritance: `SELECT inhrelid::int8 AS child, inhparent::int8 AS parent FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE c.relkind IN ('r', 'p', 'f')`,

  foreignKeys: `SELECT conrelid::int8 AS relation, conkey::int4[] AS columns, confrelid::int8 AS referenced,
      confkey::int4[] AS "referencedColumns"
    FROM pg_catalog.pg_constraint WHERE contype = 'f'`,

  ruleColumns: `SELECT DISTINCT r.ev_class::int8 AS relation, d.refobjid::int8 AS "from", d.refobjsubid AS "column"
    FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d
      ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'n'`,

  generatedFrom: `SELECT f.adrelid::int8 AS relation, f.adnum::int4 AS "column", d.refobjsubid AS "from"
    FROM pg_catalog.pg_attrdef f
    JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum AND a.attgenerated <> ''
    JOIN pg_catalog.pg_depend d
      ON (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
        OR d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = f.adrelid AND d.objsubid = f.adnum)
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = f.adrelid
      AND d.refobjsubid <> f.adnum AND d.refobjsubid > 0`,

  relationFunctions: `WITH depends AS (
      SELECT classid, objid, refobjid FROM pg_catalog.pg_depend
      WHERE refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass)
    SELECT r.ev_class::int8 AS relation, d.refobjid::int8 AS function,
        CASE WHEN r.ev_type = '1' THEN 'read' ELSE 'write' END AS "on"
      FROM pg_catalog.pg_rewrite r
      JOIN depends d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
    UNION SELECT t.tgrelid::int8, t.tgfoid::int8, 'write' FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal
    UNION SELECT f.adrelid::int8, d.refobjid::int8, CASE WHEN a.attgenerated = '' THEN 'write' ELSE 'both' END
      FROM pg_catalog.pg_attrdef f
      JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
      JOIN depends d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
    UNION SELECT c.conrelid::int8, d.refobjid::int8, 'write' FROM pg_catalog.pg_constraint c
      JOIN depends d ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = c.oid
      WHERE c.conrelid <> 0
    UNION SELECT a.attrelid::int8, d.refobjid::int8, 'write' FROM pg_catalog.pg_constraint c
      JOIN depends d ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = c.oid
      JOIN pg_catalog.pg_attribute a ON a.atttypid = c.contypid
      WHERE c.contypid <> 0 AND a.attnum > 0 AND NOT a.attisdropped
    UNION SELECT p.polrelid::int8, d.refobjid::int8, 'both' FROM pg_catalog.pg_policy p
      JOIN depends d ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid
    UNION SELECT i.indrelid::int8, d.refobjid::int8, 'write' FROM pg_catalog.pg_index i
      JOIN depends d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid`,

  typeFunctions: `WITH found AS (
      SELECT t.oid AS type, t.typinput::oid AS function FROM pg_catalog.pg_type t
      UNION SELECT c.contypid, d.refobjid FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_depend d
        ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = c.oid
        AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        WHERE c.contypid <> 0
      UNION SELECT s.casttarget, s.castfunc FROM pg_catalog.pg_cast s WHERE s.castfunc <> 0)
    SELECT f.type::int8 AS type, f.function::int8 AS function
    FROM found f JOIN pg_catalog.pg_proc p ON p.oid = f.function
    WHERE p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace`,

  views: `SELECT c.oid::int8 AS relation, pg_catalog.pg_get_viewdef(c.oid) AS definition
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')`,
} as const;

import { beforeAll, describe, expect, test } from 'vitest';
import { loadParser } from '../../../src/protocols/sql/parser.ts';
import { createSnapshot } from '../../../src/protocols/sql/snapshot.ts';
import { sampleRows, TARGET, touches, type Understanding, understanding } from './sample.ts';

let sql: Understanding;
beforeAll(async () => {
  await loadParser();
  sql = understanding();
});

const clarity = (text: string) => sql.of(text).classification.clarity;

describe('a session chooses where names are looked for', () => {
  test.each([
    'SET search_path = evil, public',
    'SET search_path TO private',
    "SET search_path = 'Odd Name', public",
    'SET SESSION search_path = evil, pg_catalog',
    'SET LOCAL search_path = app',
    'SET search_path TO DEFAULT',
    'RESET search_path',
    "SET SCHEMA 'app'",
    "SELECT set_config('search_path', 'evil, public', false)",
    "SELECT pg_catalog.set_config('search_path', '', true)",
    "SELECT set_config('Search_Path', $1, true)",
  ])('%s reads nothing, and the server is asked what it has come to', (text) => {
    const statement = sql.of(text);
    expect(touches(statement)).toEqual(['read']);
    expect(statement.classification.clarity).toBe('parsed');
    expect(statement.changesState).toBe(true);
  });
  test('the value of a column is no search path', () => {
    expect(touches(sql.of("SELECT set_config('search_path', x, false) FROM a"))).toContain(
      'administer pg_catalog.set_config',
    );
  });
});

describe('names behind it in the same text', () => {
  test('are looked for where it says, when it says so in words', () => {
    expect(touches(sql.of('SET search_path = private; SELECT * FROM users'))).toEqual(['read', 'read private.users']);
    expect(touches(sql.of('SET LOCAL search_path = private; SELECT * FROM users'))).toContain('read private.users');
    expect(touches(sql.of("SET SCHEMA 'private'; DELETE FROM users"))).toContain('write private.users');
    expect(touches(sql.of('SET search_path = private; PREPARE p AS SELECT * FROM users'))).toContain(
      'read private.users',
    );
    expect(clarity('SET search_path = private; SELECT * FROM users')).toBe('parsed');
  });
  test('the last one counts, even after something that left it open', () => {
    expect(touches(sql.of('SET search_path = public; SET search_path = private; SELECT * FROM users'))).not.toContain(
      'read public.users',
    );
    expect(clarity('ROLLBACK; SET search_path = private; SELECT * FROM users')).toBe('parsed');
  });
  test('a function of another schema may be the one that is called, also before the system’s own (shadowing)', () => {
    for (const path of ['evil', 'evil, pg_catalog', 'pg_catalog, evil', 'evil, public, pg_catalog']) {
      expect(touches(sql.of(`SET search_path = ${path}; SELECT lower('x')`)), path).toContain('execute evil.lower');
      expect(touches(sql.of(`SET search_path = ${path}; SELECT 1 + 1`)), path).toContain('execute evil.plus');
    }
    expect(touches(understanding(['evil', 'pg_catalog']).of("SELECT lower('x')"))).toEqual(['execute evil.lower']);
    expect(touches(understanding(['pg_temp_3', 'evil']).of("SELECT lower('x')"))).toEqual(['execute evil.lower']);
  });
  test('a system relation is hidden by one of another schema only where the path says so', () => {
    const sample = sampleRows().relation('evil.pg_class', 'oid relname');
    const { catalogue } = createSnapshot({ rows: sample.rows, version: 1, target: TARGET, classify: [] });
    const of = (searchPath: readonly string[], text: string) =>
      touches(sql.classifier.statement(Buffer.from(text), { ...sql.context, catalogue, searchPath }));
    expect(of(['evil'], 'SELECT * FROM pg_class')).toEqual(['read pg_catalog.pg_class']);
    expect(of(['evil', 'pg_catalog'], 'SELECT * FROM pg_class')).toEqual(['read evil.pg_class']);
    expect(of(['public'], 'SET search_path = evil; SELECT * FROM pg_class')).toEqual([
      'read',
      'read pg_catalog.pg_class',
    ]);
  });
  // Schemas that the role may not use are passed over by the server, and no snapshot says which these are.
  test.each([
    'SET search_path = private, public; SELECT * FROM users',
    'SET search_path = evil, private, public; DELETE FROM users',
    'SET search_path = private, public; CREATE TABLE fresh (id int)',
  ])('are partly understood where two of its schemas have them: %s', (text) => {
    expect(clarity(text)).toBe('partial');
  });
  test.each([
    'SET search_path = "$user", public; SELECT * FROM users',
    "SET search_path = '$user'; SELECT * FROM users",
    'SET search_path TO DEFAULT; SELECT * FROM users',
    'RESET search_path; SELECT * FROM users',
    'DISCARD ALL; SELECT * FROM users',
    "SELECT set_config('search_path', 'private', false); SELECT * FROM users",
    'SET search_path = private; ROLLBACK; SELECT * FROM users',
    'SET search_path = private; COMMIT; SELECT * FROM users',
    'SET search_path = private; SELECT f(1); SELECT * FROM users',
    'SET search_path = private; PREPARE p AS SELECT f(1); EXECUTE p; SELECT * FROM users',
    'SET search_path = private; DO $$ BEGIN NULL; END $$; SELECT * FROM users',
  ])('are partly understood where nobody knows where that is: %s', (text) => {
    expect(clarity(text)).toBe('partial');
    expect(sql.of(text).classification.touches.map(({ action }) => action)).toContain('sql.opaque');
  });
  test('qualified names stay what they are', () => {
    expect(clarity("SELECT set_config('search_path', 'x', false); SELECT * FROM public.users")).toBe('parsed');
  });
  // What a body names before the change, it may come to again after it.
  test.each([
    'DO $$ BEGIN SET search_path = private; PERFORM * FROM users; END $$',
    "DO $$ BEGIN PERFORM set_config('search_path', 'private', true); PERFORM * FROM users; END $$",
    "DO $$ BEGIN LOOP PERFORM * FROM users; PERFORM set_config('search_path', 'private', true); END LOOP; END $$",
    "CREATE FUNCTION g() RETURNS text LANGUAGE sql AS 'SET search_path = private; SELECT id FROM users'",
    "CREATE FUNCTION g() RETURNS text LANGUAGE sql AS $$ SELECT set_config('search_path', 'private', true); SELECT id FROM users $$",
    'CREATE FUNCTION g() RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET LOCAL search_path = private; DELETE FROM users; END $$',
  ])('a body that changes the path is partly understood: %s', (text) => {
    expect(clarity(text)).toBe('partial');
  });
});

describe('what a connection pool sends to make a session new again', () => {
  test('is known to forget what was prepared and opened', () => {
    const part = (text: string) => sql.of(text).parts[0];
    expect(part('DISCARD ALL')).toMatchObject({ deallocates: null, closes: null });
    expect(part('DEALLOCATE ALL')).toMatchObject({ deallocates: null });
    expect(part('CLOSE ALL')).toMatchObject({ closes: null });
    for (const text of ['DISCARD PLANS', 'DISCARD SEQUENCES', 'DISCARD TEMP', 'RESET ALL']) {
      expect(part(text)?.deallocates, text).toBeUndefined();
      expect(part(text)?.closes, text).toBeUndefined();
    }
  });
  test('leaves the state to be asked for', () => {
    for (const text of ['DISCARD ALL', 'DISCARD TEMP', 'DISCARD PLANS', 'RESET ALL']) {
      expect(sql.of(text).changesState, text).toBe(true);
    }
  });
  test('asyncpg’s reset is a read', () => {
    const text = 'SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;';
    expect(touches(sql.of(text))).toEqual(['read']);
    expect(clarity(text)).toBe('parsed');
  });
});

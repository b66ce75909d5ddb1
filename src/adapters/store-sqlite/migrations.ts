import { GatewayError } from '../../core/errors.ts';

/** One step of the store's schema. What was released is never edited: a change is a further step. */
export interface Migration {
  /** 1, 2, 3, … without gaps. */
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/** What bringing a schema up to date needs of a database; the database file itself fulfils it. */
export interface Migratable {
  /** The version of the schema that lies there; 0 for an empty database. */
  version(): number;
  /** Whether tables lie there that no migration of ours made. */
  foreign(): boolean;
  /** The name under which a version was applied, or `null`. */
  appliedName(version: number): string | null;
  /** Runs the step and notes it, in one transaction. Does nothing when another process was faster. */
  apply(migration: Migration): void;
}

/** Applies what is missing, in order, and refuses a schema that these migrations did not make. */
export function migrate(database: Migratable, migrations: readonly Migration[]): void {
  requireOrder(migrations);
  const newest = migrations.length;
  const found = database.version();
  if (found > newest) {
    throw unavailable(`the store has schema ${found}, this version knows schemas up to ${newest}`, { found, newest });
  }
  if (found === 0 && database.foreign()) throw unavailable('the store file holds tables of another program', {});
  for (const migration of migrations) {
    if (migration.version > found) {
      database.apply(migration);
      continue;
    }
    const name = database.appliedName(migration.version);
    if (name !== migration.name) {
      throw unavailable(`schema ${migration.version} of the store is '${name}', expected '${migration.name}'`, {
        version: migration.version,
      });
    }
  }
}

function requireOrder(migrations: readonly Migration[]): void {
  migrations.forEach((migration, index) => {
    if (migration.version !== index + 1) {
      throw new Error(`migration '${migration.name}' has version ${migration.version} at place ${index + 1}`);
    }
  });
}

function unavailable(message: string, details: Readonly<Record<string, unknown>>): GatewayError {
  return new GatewayError('STORE_UNAVAILABLE', message, details);
}

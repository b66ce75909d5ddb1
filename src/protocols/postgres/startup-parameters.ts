import { GatewayError } from '../../core/errors.ts';

/** What a startup packet asks for, as far as it is let through. */
export interface StartupRequest {
  readonly user: string;
  /** Empty: the client named none. */
  readonly database: string;
  readonly applicationName: string;
  /** For the target's startup packet, under the names PostgreSQL gives them. */
  readonly settings: Readonly<Record<string, string>>;
  /** `null`: none was given. */
  readonly justification: string | null;
  /** `_pq_.` options: all are unknown (manual, NegotiateProtocolVersion). */
  readonly unsupported: readonly string[];
}

/**
 * Takes a startup packet's parameters apart: a list of what is allowed, everything else is refused by name. Each may be
 * given once, wherever it stands: of two, one side could use the first and another the last.
 */
export function startupRequest(parameters: readonly (readonly [string, string])[]): StartupRequest {
  const taken = new Map<string, string>();
  const unsupported: string[] = [];
  for (const [name, value] of parameters) {
    if (name.startsWith('_pq_.')) unsupported.push(name);
    else if (name === 'options') for (const [option, setting] of splitOptions(value)) take(taken, option, setting);
    else take(taken, name, value);
  }
  const user = taken.get('user') ?? '';
  if (user === '') throw refused('no user name was given');
  checkEncoding(taken.get('client_encoding'));
  checkReplication(taken.get('replication'));
  const settings: Record<string, string> = {};
  for (const [name, value] of taken) {
    const canonical = SETTINGS[name];
    if (canonical !== undefined) settings[canonical] = value;
  }
  return {
    user,
    database: taken.get('database') ?? '',
    applicationName: taken.get('application_name') ?? '',
    settings,
    justification: taken.get(JUSTIFICATION) ?? null,
    unsupported,
  };
}

/**
 * `options` as the server would split it (utils/init/postinit.c, pg_split_opts): at white space, a backslash takes the next
 * character as it is. Of its switches only `-c name=value` and `--name=value` are known here.
 */
export function splitOptions(text: string): readonly (readonly [name: string, value: string])[] {
  const words = splitWords(text);
  const settings: (readonly [string, string])[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    if (word === '-c') {
      index += 1;
      settings.push(assignment(words[index] ?? ''));
    } else if (word.startsWith('-c')) {
      settings.push(assignment(word.slice(2)));
    } else if (word.startsWith('--')) {
      settings.push(assignment(word.slice(2)));
    } else {
      throw refused(`the command-line option ${quoted(word)} is not accepted`);
    }
  }
  return settings;
}

function splitWords(text: string): readonly string[] {
  const words: string[] = [];
  let word: string | null = null;
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (WHITE_SPACE.has(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (character === '\\') {
      index += 1;
      word = (word ?? '') + text.charAt(index);
    } else {
      word = (word ?? '') + character;
    }
  }
  if (word !== null) words.push(word);
  return words;
}

/** ParseLongOption (utils/misc/guc.c): dashes of a name are underscores. */
function assignment(text: string): readonly [string, string] {
  const equals = text.indexOf('=');
  if (equals < 1) throw refused(`the setting ${quoted(text)} has no value`);
  return [text.slice(0, equals).replaceAll('-', '_'), text.slice(equals + 1)];
}

function take(taken: Map<string, string>, name: string, value: string): void {
  // Names of settings are compared without regard to case (guc.c, guc_name_compare).
  const folded = name.toLowerCase();
  if (!KNOWN.has(folded)) throw refused(`the startup parameter ${quoted(name)} is not accepted`);
  if (taken.has(folded)) throw refused(`the startup parameter ${quoted(name)} was given twice`);
  taken.set(folded, value);
}

/** Names of encodings are compared by their letters and digits (common/encnames.c, clean_encoding_name). */
function checkEncoding(value: string | undefined): void {
  const name = (value ?? 'utf8').toLowerCase().replace(/[^a-z0-9]/g, '');
  if (ENCODINGS.has(name)) return;
  throw refused(`client_encoding ${quoted(value ?? '')} is not accepted: texts are UTF8`);
}

function checkReplication(value: string | undefined): void {
  if (value === undefined || ['false', 'off', 'no', '0'].includes(value.toLowerCase())) return;
  throw refused('replication is not accepted: it would pass by every rule and mask');
}

function refused(why: string): GatewayError {
  return new GatewayError('WIRE_UNSUPPORTED', why);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, NAME_CHARACTERS_MAX));
}

const JUSTIFICATION = 'sallyport.justification';
const NAME_CHARACTERS_MAX = 100;
/** isspace() in the C locale. */
const WHITE_SPACE = new Set([' ', '\t', '\n', '\v', '\f', '\r']);
const ENCODINGS = new Set(['utf8', 'unicode', 'sqlascii']);
/** Folded name → the name PostgreSQL gives it. */
const SETTINGS: Readonly<Record<string, string>> = {
  datestyle: 'DateStyle',
  intervalstyle: 'IntervalStyle',
  timezone: 'TimeZone',
  extra_float_digits: 'extra_float_digits',
  statement_timeout: 'statement_timeout',
  lock_timeout: 'lock_timeout',
  idle_in_transaction_session_timeout: 'idle_in_transaction_session_timeout',
  search_path: 'search_path',
};
const KNOWN = new Set([
  ...Object.keys(SETTINGS),
  'user',
  'database',
  'application_name',
  'client_encoding',
  'replication',
  JUSTIFICATION,
]);

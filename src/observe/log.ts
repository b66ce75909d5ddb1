import { type DestinationStream, destination, type Logger as Pino, pino } from 'pino';
import { redact } from './redaction.ts';

/**
 * The gateway's own log: one JSON object a line. It tells an operator how the gateway fares; what people did stands in
 * the record. Nothing reaches it but fields that core/sensitivity.ts calls public.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A log whose lines carry these fields too. */
  child(fields: object): Logger;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  readonly level?: LogLevel;
  /** Where lines go; standard error unless told. */
  readonly to?: DestinationStream;
}

export function createLog(options: LogOptions = {}): Logger {
  const lines = pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      // What goes in has been made plain by `redact`: pino's own treatment of errors would add to it.
      serializers: { err: (error: unknown) => error },
      formatters: { level: (label) => ({ level: label }) },
    },
    options.to ?? destination({ dest: 2, sync: true }),
  );
  return redacting(lines);
}

/** Everything passes `redact` before pino sees it: pino's own hooks miss the fields of a child. */
function redacting(lines: Pino): Logger {
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message: string): void => {
      if (lines.isLevelEnabled(level)) lines[level](redactFields(fields), String(redact(message)));
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => redacting(lines.child(redactFields(fields))),
  };
}

function redactFields(fields: object): Record<string, unknown> {
  // `redact` gives a plain object for an object; an error as the whole is its `err` field.
  return redact(fields instanceof Error ? { err: fields } : fields) as Record<string, unknown>;
}

import type { ErrorFields } from './messages.ts';

/** What a client is told where a rule limits the rows of a result. */

/** The rows that may be shown were shown, and there are more (01004, string_data_right_truncation's class of warnings). */
export function cutOffNotice(rows_max: number): ErrorFields {
  const message = `the result was cut off after ${rows_max} rows by a rule of the gateway`;
  return { S: 'WARNING', V: 'WARNING', C: '01004', M: message };
}

/** Where a result cannot be cut off without an error (54000, program_limit_exceeded). */
export function tooManyRowsError(rows_max: number): ErrorFields {
  const message = `the result has more than ${rows_max} rows, which a rule of the gateway does not allow`;
  return { S: 'ERROR', V: 'ERROR', C: TOO_MANY_ROWS, M: message, H: 'Add a LIMIT, or ask for less.' };
}

export const TOO_MANY_ROWS = '54000';

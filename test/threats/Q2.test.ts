import { house, tricks } from './tricks.ts';

const at = house();

tricks('Q2', at, [
  { name: 'nested comments, which PostgreSQL nests', sql: 'select 1 /* /* */ ; drop table victims; */', gives: ['1'] },
  { name: 'a nested comment that ends earlier than it looks', sql: 'select 1 /*/**/*/; drop table victims; --*/', notByPsql: true },
  { name: 'a nested comment that never ends', sql: 'select 1 /* /* */ ; drop table victims', failsAtServer: '42', notByPsql: true },
  { name: 'an executable comment of MySQL is a comment', sql: 'select 1 /*!50000 ; drop table victims */', gives: ['1'] },
  { name: 'an executable comment of MariaDB is a comment', sql: 'select 1 /*M!100000 ; drop table victims */', gives: ['1'] },
  { name: 'a statement split by comments', sql: 'dr/**/op table victims' , failsAtServer: '42' },
  { name: 'a statement with comments for spaces', sql: 'drop/**/table/**/victims' },
  { name: 'a hint comment in front', sql: '/*+ seqscan(victims) */ delete from victims' },
  { name: 'a comment in front that says select', sql: '/* select */ delete from victims' },
  { name: 'a line comment in front that says select', sql: '-- select 1\ndelete from victims' },
  { name: 'a number sign is an operator, no comment', sql: 'select 5 # 1; drop table victims', notByPsql: true },
  { name: 'two dashes without a space are a comment', sql: 'select 1--1; drop table victims', gives: ['1'] },
  { name: 'two dashes and a line feed inside', sql: 'select 1--\n; drop table victims', notByPsql: true },
  { name: 'a form feed for a space', sql: 'drop\ftable\fvictims' },
  { name: 'a vertical tab for a space', sql: 'drop\vtable\vvictims' },
  { name: 'a no-break space, which is a letter', sql: 'drop\u00a0table victims', failsAtServer: '42' },
  { name: 'a line separator, which is a letter', sql: 'select 1 -- x\u2028; drop table victims', gives: ['1'] },
  { name: 'a zero-width space, which is a letter', sql: 'drop\u200b table victims', failsAtServer: '42' },
  { name: 'a byte order mark in front', sql: '\ufeffdelete from victims', failsAtServer: '42' },
  { name: 'a carriage return alone', sql: 'select 1 --\rdelete\r; delete from victims', notByPsql: true },
  { name: 'a comment inside an operator', sql: 'select 1 +/**/1; delete from victims', notByPsql: true },
  { name: 'an operator that holds the start of a comment', sql: 'select 1 */* x */ 2; delete from victims', notByPsql: true },
  { name: 'a comment that ends the text', sql: 'delete from victims --' },
  { name: 'a comment with a quote in it', sql: "select 1 /* ' */; delete from victims; --'", notByPsql: true },
  { name: 'a comment with a dollar quote in it', sql: 'select 1 /* $$ */; delete from victims; --$$', notByPsql: true },
]); // biome-ignore format: a table

import { describe, expect, test } from '@jest/globals';
import { projection } from '../../src/domain/projection.ts';
import { given } from '../support/decider-spec.ts';

const rebuild = { operationId: 'one', dryRun: false, held: false };
const verification = { operationId: 'two', repair: true };
const ended = { operationId: 'one', events: 7, differences: 0, failure: null };
const started = { type: 'ProjectionRebuildStarted', data: rebuild } as const;
const end = { type: 'EndProjectionOperation', data: ended } as const;

describe('an operation', () => {
  test('is the only one until it has ended', () => {
    given(projection).when({ type: 'RebuildProjection', data: rebuild }).then(started);
    for (const wish of [
      { type: 'RebuildProjection', data: rebuild },
      { type: 'VerifyProjection', data: verification },
      { type: 'SwitchProjection', data: { operationId: 'two' } },
      { type: 'RollProjectionBack', data: { operationId: 'two' } },
    ] as const) {
      given(projection, started).when(wish).thenRefused('conflict', { field: 'name' });
    }
    given(projection, started).when(end).then({ type: 'ProjectionOperationEnded', data: ended });
    given(projection, started, { type: 'ProjectionOperationEnded', data: ended })
      .when({ type: 'VerifyProjection', data: verification })
      .then({ type: 'ProjectionVerificationStarted', data: verification });
  });

  test('ends once, and no other in its place', () => {
    given(projection).when(end).thenNothing();
    given(projection, started)
      .when({ ...end, data: { ...ended, operationId: 'two' } })
      .thenNothing();
  });
});

test('a projection is paused, and resumed, whatever else is done with it', () => {
  const why = { reason: 'maintenance' };
  const paused = { type: 'ProjectionPaused', data: why } as const;
  given(projection, started).when({ type: 'PauseProjection', data: why }).then(paused);
  given(projection, paused).when({ type: 'PauseProjection', data: why }).thenNothing();
  given(projection).when({ type: 'ResumeProjection', data: why }).thenNothing();
  given(projection, paused)
    .when({ type: 'ResumeProjection', data: why })
    .then({ type: 'ProjectionResumed', data: why });
  expect(projection.evolve.ProjectionPaused(projection.initial, why).paused).toBe(true);
});

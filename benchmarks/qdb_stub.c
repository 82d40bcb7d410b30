/* A QuasarDB library for measuring clients: a hash map, and a wait in the place of a network.

   It exports what clients link to. Blobs work, alone and in batches; functions that are not
   here are added, weak, by qdb_library.py, and answer "not implemented".

   The host that a handle connects to says how long its calls take: "wait-100" for 100 µs, any
   other for no wait. The thread sleeps, as it would for a network. A batch takes one wait, and
   2 µs more for each operation if there is a wait at all.

   Contents are handed out in fresh buffers that have been written to, like those that a
   library reads from a socket. A handle serves one thread at a time; the map serves all. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "qdb_api.h"

#define OK 0
#define CREATED ((qdb_error_t)0xB0000032)
#define NOT_FOUND ((qdb_error_t)0xB1000008)
#define EXISTS ((qdb_error_t)0xB1000009)
#define INVALID_ARGUMENT ((qdb_error_t)0xC2000018)
#define NOT_IMPLEMENTED ((qdb_error_t)0xF3000011)
#define UNINITIALIZED ((qdb_error_t)0xC300FFFF)

enum { BLOB_GET = 0, BLOB_PUT = 1, BLOB_UPDATE = 2 };
enum { BUCKETS = 1 << 17, NS_AN_OPERATION = 2000 };

typedef struct entry {
    struct entry *next;
    char *alias;
    void *content;
    size_t size;
} entry;

/* What was handed out and has not come back: one buffer, known by its address, or the
   contents of a batch, known by the address of its operations. */
typedef struct lease {
    struct lease *next;
    const void *key;
} lease;

struct qdb_handle_internal {
    long wait; /* ns */
    qdb_error_t last;
    lease *leases;
};

static entry *map[BUCKETS];
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

/* The map. The caller holds the lock. */

static entry **find(const char *alias)
{
    uint64_t hash = 14695981039346656037ULL;
    for (const char *c = alias; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
    entry **place = &map[(hash ^ hash >> 32) % BUCKETS];
    while (*place && strcmp((*place)->alias, alias))
        place = &(*place)->next;
    return place;
}

static qdb_error_t store(const char *alias, const void *content, size_t size, int replace)
{
    entry **place = find(alias);
    if (*place && !replace)
        return EXISTS;
    void *copy = malloc(size + 1);
    memcpy(copy, content, size);
    qdb_error_t code = *place ? OK : CREATED;
    if (*place) {
        free((*place)->content);
    } else {
        *place = calloc(1, sizeof(entry));
        (*place)->alias = strdup(alias);
    }
    (*place)->content = copy;
    (*place)->size = size;
    return replace ? code : OK;
}

/* Handles and buffers */

static void take_time(qdb_handle_t handle, size_t operations)
{
    if (!handle->wait)
        return;
#ifdef PR_SET_TIMERSLACK
    static __thread int exact;
    if (!exact) { /* or a sleep takes 50 µs more than it should */
        prctl(PR_SET_TIMERSLACK, 1);
        exact = 1;
    }
#endif
    long wait = handle->wait + (long)operations * NS_AN_OPERATION;
    struct timespec left = {wait / 1000000000, wait % 1000000000};
    nanosleep(&left, NULL);
}

static char *give(qdb_handle_t handle, size_t size, const void *key)
{
    lease *given = malloc(sizeof(lease) + size + 1);
    char *buffer = (char *)(given + 1);
    given->key = key ? key : buffer;
    given->next = handle->leases;
    handle->leases = given;
    return buffer;
}

void qdb_release(qdb_handle_t handle, const void *buffer)
{
    for (lease **place = &handle->leases; *place; place = &(*place)->next) {
        if ((*place)->key == buffer) {
            lease *found = *place;
            *place = found->next;
            free(found);
            return;
        }
    }
}

qdb_error_t qdb_open(qdb_handle_t *handle, int protocol)
{
    if (!handle || protocol)
        return INVALID_ARGUMENT;
    *handle = calloc(1, sizeof(struct qdb_handle_internal));
    return OK;
}

qdb_handle_t qdb_open_tcp(void)
{
    qdb_handle_t handle;
    qdb_open(&handle, 0);
    return handle;
}

qdb_error_t qdb_connect(qdb_handle_t handle, const char *uri)
{
    const char *wait = strstr(uri, "//wait-");
    handle->wait = wait ? 1000 * atol(wait + 7) : 0;
    return OK;
}

qdb_error_t qdb_close(qdb_handle_t handle)
{
    while (handle->leases)
        qdb_release(handle, handle->leases->key);
    free(handle);
    return OK;
}

/* Errors and versions */

const char *qdb_version(void) { return "3.14.3"; }
const char *qdb_build(void) { return "a stub for benchmarks"; }

const char *qdb_error(qdb_error_t error)
{
    return error == NOT_FOUND ? "An entry matching the provided alias cannot be found."
        : error ? "The stub failed." : "The operation was successful.";
}

qdb_error_t qdb_get_last_error(qdb_handle_t handle, qdb_error_t *error, qdb_string_t **message)
{
    if (error)
        *error = handle->last;
    if (message)
        *message = NULL;
    return OK;
}

/* Blobs */

qdb_error_t qdb_blob_get(qdb_handle_t handle, const char *alias, const void **content,
                         qdb_size_t *size)
{
    take_time(handle, 0);
    pthread_rwlock_rdlock(&lock);
    entry *found = *find(alias);
    if (found) {
        *content = memcpy(give(handle, found->size, NULL), found->content, found->size);
        *size = found->size;
    }
    pthread_rwlock_unlock(&lock);
    return handle->last = found ? OK : NOT_FOUND;
}

static qdb_error_t write_blob(qdb_handle_t handle, const char *alias, const void *content,
                              size_t size, int replace)
{
    take_time(handle, 0);
    pthread_rwlock_wrlock(&lock);
    handle->last = store(alias, content, size, replace);
    pthread_rwlock_unlock(&lock);
    return handle->last;
}

qdb_error_t qdb_blob_put(qdb_handle_t handle, const char *alias, const void *content,
                         qdb_size_t size, qdb_time_t expiry)
{
    (void)expiry;
    return write_blob(handle, alias, content, size, 0);
}

qdb_error_t qdb_blob_update(qdb_handle_t handle, const char *alias, const void *content,
                            qdb_size_t size, qdb_time_t expiry)
{
    (void)expiry;
    return write_blob(handle, alias, content, size, 1);
}

/* Batches */

qdb_error_t qdb_init_operations(qdb_operation_t *operations, size_t count)
{
    memset(operations, 0, count * sizeof(qdb_operation_t));
    for (size_t i = 0; i < count; i++) {
        operations[i].type = -1;
        operations[i].error = UNINITIALIZED;
    }
    return OK;
}

static qdb_error_t run(qdb_operation_t *operation)
{
    switch (operation->type) {
    case BLOB_PUT:
    case BLOB_UPDATE:
        return store(operation->alias, operation->blob_put.content,
                     operation->blob_put.content_size, operation->type == BLOB_UPDATE);
    case BLOB_GET: {
        entry *found = *find(operation->alias);
        if (!found)
            return NOT_FOUND;
        operation->blob_get.content = found->content; /* for now, that of the map itself */
        operation->blob_get.content_size = found->size;
        return OK;
    }
    default:
        return NOT_IMPLEMENTED;
    }
}

static int was_read(const qdb_operation_t *operation)
{
    return operation->type == BLOB_GET && operation->error == OK;
}

size_t qdb_run_batch(qdb_handle_t handle, qdb_operation_t *operations, size_t count)
{
    take_time(handle, count);
    int writes = 0;
    size_t successes = 0, size = 0;
    for (size_t i = 0; i < count; i++)
        writes |= operations[i].type != BLOB_GET;
    if (writes)
        pthread_rwlock_wrlock(&lock);
    else
        pthread_rwlock_rdlock(&lock);
    /* Writes first, or one could free what a get has found. */
    for (int gets = 0; gets < 2; gets++)
        for (size_t i = 0; i < count; i++)
            if ((operations[i].type == BLOB_GET) == gets)
                operations[i].error = run(&operations[i]);
    for (size_t i = 0; i < count; i++) {
        successes += operations[i].error == OK || operations[i].error == CREATED;
        size += was_read(&operations[i]) ? operations[i].blob_get.content_size : 0;
    }
    char *end = give(handle, size, operations);
    for (size_t i = 0; i < count; i++) {
        if (!was_read(&operations[i]))
            continue;
        size_t length = operations[i].blob_get.content_size;
        operations[i].blob_get.content = memcpy(end, operations[i].blob_get.content, length);
        end += length;
    }
    pthread_rwlock_unlock(&lock);
    handle->last = OK;
    return successes;
}

/* A QuasarDB library for measuring clients: a hash map, and a wait instead of a network.

   It exports the functions that clients link to. Blobs and integers work, alone and in batches;
   expiry is ignored, and no entry has a tag. Functions that are missing here are added by
   qdb_library.py as weak symbols, and return "not implemented".

   The name of the host that a handle connects to gives the wait of its calls: "wait-100" for
   100 µs, any other for no wait. The thread sleeps, as it would for a network. A batch takes one
   wait, and 2 µs more for each operation if there is a wait at all.

   Contents are returned in new buffers that have been written to, as by a library that reads
   from a socket. A handle serves one thread at a time; all handles share the map. */

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
#define UNMATCHED ((qdb_error_t)0xB000001E)
#define TAG_NOT_SET ((qdb_error_t)0xB000002A)
#define INVALID_ARGUMENT ((qdb_error_t)0xC2000018)
#define NOT_IMPLEMENTED ((qdb_error_t)0xF3000011)
#define UNINITIALIZED ((qdb_error_t)0xC300FFFF)

enum {
    BLOB_GET = 0, BLOB_PUT = 1, BLOB_UPDATE = 2, BLOB_CAS = 4, BLOB_GET_AND_UPDATE = 5,
    INT_PUT = 9, INT_UPDATE = 10, INT_GET = 11, INT_ADD = 12, BLOB_REMOVE = 28
};
enum { BUCKETS = 1 << 17, NS_AN_OPERATION = 2000 };

typedef struct entry {
    struct entry *next;
    char *alias;
    void *content;
    size_t size;
} entry;

/* Returned memory that was not released yet: one buffer, by its address, or the contents of a
   batch, by the address of its operations. */
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

static qdb_error_t drop(const char *alias)
{
    entry **place = find(alias), *found = *place;
    if (!found)
        return NOT_FOUND;
    *place = found->next;
    free(found->alias);
    free(found->content);
    free(found);
    return OK;
}

static qdb_error_t add(const char *alias, qdb_int_t addend, qdb_int_t *result)
{
    entry *found = *find(alias);
    if (!found)
        return NOT_FOUND;
    *result = *(qdb_int_t *)found->content += addend;
    return OK;
}

/* Handles and buffers */

static void take_time(qdb_handle_t handle, size_t operations)
{
    if (!handle->wait)
        return;
#ifdef PR_SET_TIMERSLACK
    static __thread int exact;
    if (!exact) { /* otherwise a sleep takes 50 µs more than asked for */
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

qdb_error_t qdb_blob_get_and_remove(qdb_handle_t handle, const char *alias,
                                    const void **content, qdb_size_t *size)
{
    take_time(handle, 0);
    pthread_rwlock_wrlock(&lock);
    entry *found = *find(alias);
    if (found) {
        *content = memcpy(give(handle, found->size, NULL), found->content, found->size);
        *size = found->size;
    }
    handle->last = drop(alias);
    pthread_rwlock_unlock(&lock);
    return handle->last;
}

/* Replaces an entry, if it equals `comparand` or that is NULL; returns the old content. */
static qdb_error_t exchange(const char *alias, const void *comparand, size_t comparand_size,
                            const void *content, size_t size, char **old, qdb_size_t *old_size)
{
    entry *found = *find(alias);
    if (!found)
        return NOT_FOUND;
    int differs = comparand && (found->size != comparand_size
                                || memcmp(found->content, comparand, comparand_size));
    if (differs || !comparand) {
        *old = memcpy(malloc(found->size + 1), found->content, found->size);
        *old_size = found->size;
    }
    if (!differs)
        store(alias, content, size, 1);
    return differs ? UNMATCHED : OK;
}

static qdb_error_t exchange_alone(qdb_handle_t handle, const char *alias, const void *comparand,
                                  size_t comparand_size, const void *content, size_t size,
                                  const void **old, qdb_size_t *old_size)
{
    char *before = NULL;
    take_time(handle, 0);
    pthread_rwlock_wrlock(&lock);
    handle->last = exchange(alias, comparand, comparand_size, content, size, &before, old_size);
    pthread_rwlock_unlock(&lock);
    if (before) {
        *old = memcpy(give(handle, *old_size, NULL), before, *old_size);
        free(before);
    }
    return handle->last;
}

qdb_error_t qdb_blob_get_and_update(qdb_handle_t handle, const char *alias, const void *content,
                                    qdb_size_t size, qdb_time_t expiry, const void **old,
                                    qdb_size_t *old_size)
{
    (void)expiry;
    return exchange_alone(handle, alias, NULL, 0, content, size, old, old_size);
}

qdb_error_t qdb_blob_compare_and_swap(qdb_handle_t handle, const char *alias,
                                      const void *content, qdb_size_t size,
                                      const void *comparand, qdb_size_t comparand_size,
                                      qdb_time_t expiry, const void **old, qdb_size_t *old_size)
{
    (void)expiry;
    return exchange_alone(handle, alias, comparand, comparand_size, content, size, old, old_size);
}

/* Integers: entries of 8 bytes */

qdb_error_t qdb_int_update(qdb_handle_t handle, const char *alias, qdb_int_t value,
                           qdb_time_t expiry)
{
    return qdb_blob_update(handle, alias, &value, sizeof value, expiry);
}

qdb_error_t qdb_int_add(qdb_handle_t handle, const char *alias, qdb_int_t addend,
                        qdb_int_t *result)
{
    take_time(handle, 0);
    pthread_rwlock_wrlock(&lock);
    handle->last = add(alias, addend, result);
    pthread_rwlock_unlock(&lock);
    return handle->last;
}

/* Entries of any type */

static qdb_error_t look(qdb_handle_t handle, const char *alias, qdb_error_t answer)
{
    take_time(handle, 0);
    pthread_rwlock_rdlock(&lock);
    handle->last = *find(alias) ? answer : NOT_FOUND;
    pthread_rwlock_unlock(&lock);
    return handle->last;
}

qdb_error_t qdb_remove(qdb_handle_t handle, const char *alias)
{
    take_time(handle, 0);
    pthread_rwlock_wrlock(&lock);
    handle->last = drop(alias);
    pthread_rwlock_unlock(&lock);
    return handle->last;
}

qdb_error_t qdb_expires_at(qdb_handle_t handle, const char *alias, qdb_time_t expiry)
{
    (void)expiry;
    return look(handle, alias, OK);
}

qdb_error_t qdb_has_tag(qdb_handle_t handle, const char *alias, const char *tag)
{
    (void)tag;
    return look(handle, alias, TAG_NOT_SET);
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
    case INT_PUT:
    case INT_UPDATE:
        return store(operation->alias, &operation->int_put.value, sizeof(qdb_int_t),
                     operation->type == INT_UPDATE);
    case INT_ADD:
        return add(operation->alias, operation->int_add.addend, &operation->int_add.result);
    case BLOB_REMOVE:
        return drop(operation->alias);
    case BLOB_GET_AND_UPDATE: {
        __typeof__(operation->blob_get_and_update) *swap = &operation->blob_get_and_update;
        char *old = NULL;
        qdb_error_t code = exchange(operation->alias, NULL, 0, swap->new_content,
                                    swap->new_content_size, &old, &swap->original_content_size);
        swap->original_content = old;
        return code;
    }
    case BLOB_CAS: {
        __typeof__(operation->blob_cas) *swap = &operation->blob_cas;
        char *old = NULL;
        qdb_error_t code = exchange(operation->alias, swap->comparand, swap->comparand_size,
                                    swap->new_content, swap->new_content_size, &old,
                                    &swap->original_content_size);
        swap->original_content = old;
        return code;
    }
    case BLOB_GET: {
        entry *found = *find(operation->alias);
        if (!found)
            return NOT_FOUND;
        operation->blob_get.content = found->content; /* that of the map; copied at the end */
        operation->blob_get.content_size = found->size;
        return OK;
    }
    default:
        return NOT_IMPLEMENTED;
    }
}

/* Returns where an operation stores its returned content, which is copied into one buffer later. */
static char **given(qdb_operation_t *operation, qdb_size_t **size)
{
    if (operation->type == BLOB_GET && operation->error == OK) {
        *size = &operation->blob_get.content_size;
        return (char **)&operation->blob_get.content;
    }
    if (operation->type == BLOB_GET_AND_UPDATE && operation->error == OK) {
        *size = &operation->blob_get_and_update.original_content_size;
        return (char **)&operation->blob_get_and_update.original_content;
    }
    if (operation->type == BLOB_CAS && operation->error == UNMATCHED) {
        *size = &operation->blob_cas.original_content_size;
        return (char **)&operation->blob_cas.original_content;
    }
    return NULL;
}

size_t qdb_run_batch(qdb_handle_t handle, qdb_operation_t *operations, size_t count)
{
    take_time(handle, count);
    int writes = 0;
    size_t successes = 0, total = 0;
    qdb_size_t *size;
    for (size_t i = 0; i < count; i++)
        writes |= operations[i].type != BLOB_GET;
    if (writes)
        pthread_rwlock_wrlock(&lock);
    else
        pthread_rwlock_rdlock(&lock);
    /* Writes first: a later one could free the content of a get. */
    for (int gets = 0; gets < 2; gets++)
        for (size_t i = 0; i < count; i++)
            if ((operations[i].type == BLOB_GET) == gets)
                operations[i].error = run(&operations[i]);
    for (size_t i = 0; i < count; i++) {
        successes += operations[i].error == OK || operations[i].error == CREATED;
        total += given(&operations[i], &size) ? *size : 0;
    }
    char *end = give(handle, total, operations);
    for (size_t i = 0; i < count; i++) {
        char **content = given(&operations[i], &size);
        if (!content)
            continue;
        char *before = *content;
        *content = memcpy(end, before, *size);
        end += *size;
        if (operations[i].type != BLOB_GET)
            free(before);
    }
    pthread_rwlock_unlock(&lock);
    handle->last = OK;
    return successes;
}

/* The key-value part of the QuasarDB C API 3.x, as far as storekit calls or exports it.

   Times of expiry are milliseconds since the epoch. A buffer that a function returns must be
   released by qdb_release, once, on the handle that returned it. */

typedef struct qdb_handle_internal *qdb_handle_t;
typedef int32_t qdb_error_t;
typedef int64_t qdb_time_t;
typedef int64_t qdb_int_t;
typedef uint64_t qdb_uint_t;
typedef size_t qdb_size_t;

typedef struct { qdb_time_t tv_sec; qdb_time_t tv_nsec; } qdb_timespec_t;
typedef struct { const char *address; unsigned short port; } qdb_remote_node_t;
typedef struct { qdb_int_t data[4]; } qdb_id_t;
typedef struct { const char *data; qdb_size_t length; } qdb_string_t;
typedef struct {
    qdb_string_t alias;
    qdb_id_t reference;
    int32_t type;
    qdb_uint_t size;
    qdb_timespec_t modification_time;
    qdb_timespec_t expiry_time;
} qdb_entry_metadata_t;

typedef struct { const void *content; qdb_size_t content_size; qdb_time_t expiry_time; } qdb_op_blob_write_t;
typedef struct { qdb_int_t value; qdb_time_t expiry_time; } qdb_op_int_write_t;
typedef struct { double value; qdb_time_t expiry_time; } qdb_op_double_write_t;
typedef struct { qdb_timespec_t value; qdb_time_t expiry_time; } qdb_op_ts_write_t;
typedef struct {
    const void *original_content; qdb_size_t original_content_size;
    const void *new_content; qdb_size_t new_content_size;
    const void *comparand; qdb_size_t comparand_size; qdb_size_t comparand_offset;
    qdb_time_t expiry_time;
} qdb_op_cas_t;
typedef struct { const void *content; qdb_size_t content_size; qdb_size_t content_offset; } qdb_op_get_t;
typedef struct {
    const void *original_content; qdb_size_t original_content_size;
    const void *new_content; qdb_size_t new_content_size;
    qdb_time_t expiry_time;
} qdb_op_get_update_t;
typedef struct {
    int32_t type;
    const char *alias;
    qdb_error_t error;
    union {
        struct { const char *tag; } has_tag;
        struct { qdb_int_t result; qdb_int_t addend; } int_add;
        struct { qdb_int_t result; } int_get;
        qdb_op_int_write_t int_put;
        struct { double result; double addend; } double_add;
        struct { double result; } double_get;
        qdb_op_double_write_t double_put;
        struct { int32_t type; } get_entry_type;
        qdb_op_blob_write_t blob_put;
        qdb_op_cas_t blob_cas;
        qdb_op_get_t blob_get;
        qdb_op_get_update_t blob_get_and_update;
        struct { qdb_timespec_t result; } timestamp_get;
        qdb_op_ts_write_t timestamp_put;
        struct { qdb_timespec_t result; qdb_timespec_t addend; } timestamp_add;
        struct { int32_t type; const void *blob_content; qdb_size_t blob_content_size;
                 qdb_int_t int_result; double double_result; qdb_timespec_t timestamp_result; } value_get;
        struct { qdb_uint_t bytes_trimmed; } trim_entry;
    };
} qdb_operation_t;

typedef struct {
    qdb_handle_t handle; const void *token; const void *node; const void *ref;
    const char *alias; const char *content; qdb_size_t content_size;
} qdb_const_iterator_t;
typedef struct {
    qdb_handle_t handle; const void *token; qdb_size_t magic; const char *alias; int32_t type;
} qdb_const_tag_iterator_t;

const char *qdb_version(void);
const char *qdb_build(void);
const char *qdb_error(qdb_error_t error);
qdb_error_t qdb_open(qdb_handle_t *handle, int proto);
qdb_error_t qdb_get_last_error(qdb_handle_t handle, qdb_error_t *error, qdb_string_t **message);
qdb_error_t qdb_connect(qdb_handle_t handle, const char *uri);
qdb_error_t qdb_close(qdb_handle_t handle);
qdb_error_t qdb_alloc_buffer(qdb_handle_t handle, qdb_size_t n, void **dest);
void qdb_release(qdb_handle_t handle, const void *buffer);
qdb_error_t qdb_remove(qdb_handle_t handle, const char *alias);
qdb_error_t qdb_expires_at(qdb_handle_t handle, const char *alias, qdb_time_t expiry_time);
qdb_error_t qdb_expires_from_now(qdb_handle_t handle, const char *alias, qdb_time_t delta);
qdb_error_t qdb_get_expiry_time(qdb_handle_t handle, const char *alias, qdb_time_t *expiry_time);
qdb_error_t qdb_get_type(qdb_handle_t handle, const char *alias, int32_t *entry_type);
qdb_error_t qdb_get_metadata(qdb_handle_t handle, const char *alias, qdb_entry_metadata_t *md);
qdb_error_t qdb_purge_all(qdb_handle_t handle, int timeout_ms);
qdb_error_t qdb_blob_get(qdb_handle_t handle, const char *alias, const void **content, qdb_size_t *n);
qdb_error_t qdb_blob_get_and_remove(qdb_handle_t handle, const char *alias, const void **content, qdb_size_t *n);
qdb_error_t qdb_blob_put(qdb_handle_t handle, const char *alias, const void *content, qdb_size_t n, qdb_time_t expiry);
qdb_error_t qdb_blob_update(qdb_handle_t handle, const char *alias, const void *content, qdb_size_t n, qdb_time_t expiry);
qdb_error_t qdb_blob_get_and_update(qdb_handle_t handle, const char *alias, const void *content, qdb_size_t n, qdb_time_t expiry, const void **old, qdb_size_t *oldn);
qdb_error_t qdb_blob_compare_and_swap(qdb_handle_t handle, const char *alias, const void *newv, qdb_size_t newn, const void *comparand, qdb_size_t cn, qdb_time_t expiry, const void **old, qdb_size_t *oldn);
qdb_error_t qdb_blob_remove_if(qdb_handle_t handle, const char *alias, const void *comparand, qdb_size_t cn);
qdb_error_t qdb_blob_scan(qdb_handle_t handle, const void *pattern, qdb_size_t n, qdb_int_t max_count, const char ***aliases, size_t *count);
qdb_error_t qdb_blob_scan_regex(qdb_handle_t handle, const char *pattern, qdb_int_t max_count, const char ***aliases, size_t *count);
qdb_error_t qdb_int_put(qdb_handle_t handle, const char *alias, qdb_int_t v, qdb_time_t expiry);
qdb_error_t qdb_int_update(qdb_handle_t handle, const char *alias, qdb_int_t v, qdb_time_t expiry);
qdb_error_t qdb_int_get(qdb_handle_t handle, const char *alias, qdb_int_t *v);
qdb_error_t qdb_int_add(qdb_handle_t handle, const char *alias, qdb_int_t addend, qdb_int_t *result);
qdb_error_t qdb_double_put(qdb_handle_t handle, const char *alias, double v, qdb_time_t expiry);
qdb_error_t qdb_double_update(qdb_handle_t handle, const char *alias, double v, qdb_time_t expiry);
qdb_error_t qdb_double_get(qdb_handle_t handle, const char *alias, double *v);
qdb_error_t qdb_double_add(qdb_handle_t handle, const char *alias, double addend, double *result);
qdb_error_t qdb_prefix_get(qdb_handle_t handle, const char *prefix, qdb_int_t max_count, const char ***results, size_t *count);
qdb_error_t qdb_prefix_count(qdb_handle_t handle, const char *prefix, qdb_uint_t *count);
qdb_error_t qdb_suffix_get(qdb_handle_t handle, const char *suffix, qdb_int_t max_count, const char ***results, size_t *count);
qdb_error_t qdb_suffix_count(qdb_handle_t handle, const char *suffix, qdb_uint_t *count);
qdb_error_t qdb_attach_tag(qdb_handle_t handle, const char *alias, const char *tag);
qdb_error_t qdb_attach_tags(qdb_handle_t handle, const char *alias, const char *const *tags, size_t count);
qdb_error_t qdb_has_tag(qdb_handle_t handle, const char *alias, const char *tag);
qdb_error_t qdb_detach_tag(qdb_handle_t handle, const char *alias, const char *tag);
qdb_error_t qdb_detach_tags(qdb_handle_t handle, const char *alias, const char *const *tags, size_t count);
qdb_error_t qdb_get_tagged(qdb_handle_t handle, const char *tag, const char ***aliases, size_t *count);
qdb_error_t qdb_get_tagged_count(qdb_handle_t handle, const char *tag, qdb_uint_t *count);
qdb_error_t qdb_get_tags(qdb_handle_t handle, const char *alias, const char ***tags, size_t *count);
qdb_error_t qdb_iterator_begin(qdb_handle_t handle, qdb_const_iterator_t *it);
qdb_error_t qdb_iterator_next(qdb_const_iterator_t *it);
qdb_error_t qdb_iterator_close(qdb_const_iterator_t *it);
qdb_error_t qdb_init_operations(qdb_operation_t *ops, size_t n);
size_t qdb_run_batch(qdb_handle_t handle, qdb_operation_t *ops, size_t n);
qdb_error_t qdb_run_transaction(qdb_handle_t handle, qdb_operation_t *ops, size_t n, size_t *failed);
qdb_error_t qdb_node_status(qdb_handle_t handle, const char *uri, const char **content, qdb_size_t *n);
qdb_error_t qdb_node_config(qdb_handle_t handle, const char *uri, const char **content, qdb_size_t *n);
qdb_error_t qdb_node_topology(qdb_handle_t handle, const char *uri, const char **content, qdb_size_t *n);
qdb_error_t qdb_node_stop(qdb_handle_t handle, const char *uri, const char *reason);
qdb_error_t qdb_option_set_timeout(qdb_handle_t handle, int ms);
qdb_error_t qdb_option_get_timeout(qdb_handle_t handle, int *ms);
qdb_error_t qdb_option_set_client_max_in_buf_size(qdb_handle_t handle, size_t n);
qdb_error_t qdb_option_set_client_max_parallelism(qdb_handle_t handle, qdb_size_t n);
qdb_error_t qdb_option_set_connection_per_address_soft_limit(qdb_handle_t handle, qdb_size_t n);
qdb_error_t qdb_option_set_client_max_batch_load(qdb_handle_t handle, qdb_size_t n);
qdb_error_t qdb_option_set_compression(qdb_handle_t handle, int level);
qdb_error_t qdb_option_set_encryption(qdb_handle_t handle, int algo);
qdb_error_t qdb_option_set_cluster_public_key(qdb_handle_t handle, const char *key);
qdb_error_t qdb_option_set_user_credentials(qdb_handle_t handle, const char *user, const char *private_key);
qdb_error_t qdb_string_get(qdb_handle_t handle, const char *alias, const char **content, qdb_size_t *n);
qdb_error_t qdb_string_get_and_remove(qdb_handle_t handle, const char *alias, const char **content, qdb_size_t *n);
qdb_error_t qdb_string_put(qdb_handle_t handle, const char *alias, const char *content, qdb_size_t n, qdb_time_t expiry);
qdb_error_t qdb_string_update(qdb_handle_t handle, const char *alias, const char *content, qdb_size_t n, qdb_time_t expiry);
qdb_error_t qdb_string_get_and_update(qdb_handle_t handle, const char *alias, const char *content, qdb_size_t n, qdb_time_t expiry, const char **old, qdb_size_t *oldn);
qdb_error_t qdb_string_compare_and_swap(qdb_handle_t handle, const char *alias, const char *newv, qdb_size_t newn, const char *comparand, qdb_size_t cn, qdb_time_t expiry, const char **old, qdb_size_t *oldn);
qdb_error_t qdb_string_remove_if(qdb_handle_t handle, const char *alias, const char *comparand, qdb_size_t cn);
qdb_error_t qdb_string_scan(qdb_handle_t handle, const char *pattern, qdb_size_t n, qdb_int_t max_count, const char ***aliases, size_t *count);
qdb_error_t qdb_string_scan_regex(qdb_handle_t handle, const char *pattern, qdb_int_t max_count, const char ***aliases, size_t *count);
qdb_error_t qdb_timestamp_put(qdb_handle_t handle, const char *alias, const qdb_timespec_t *v, qdb_time_t expiry);
qdb_error_t qdb_timestamp_update(qdb_handle_t handle, const char *alias, const qdb_timespec_t *v, qdb_time_t expiry);
qdb_error_t qdb_timestamp_get(qdb_handle_t handle, const char *alias, qdb_timespec_t *v);
qdb_error_t qdb_timestamp_add(qdb_handle_t handle, const char *alias, const qdb_timespec_t *addend, qdb_timespec_t *result);
qdb_error_t qdb_query_find(qdb_handle_t handle, const char *query, const char ***aliases, size_t *count);

/* STOREKIT: the following functions are exported by our library and not bound by the client,
   which does not need most of them; qdb_coalesce_operations can crash the process, as can any
   call from a callback of the log. */

qdb_handle_t qdb_open_tcp(void);
qdb_error_t qdb_copy_alloc_buffer(qdb_handle_t handle, const void *src, qdb_size_t n, void **dest);
qdb_error_t qdb_get_location(qdb_handle_t handle, const char *alias, qdb_remote_node_t *location);
qdb_error_t qdb_get_metadata_by_id(qdb_handle_t handle, const qdb_id_t *ref, qdb_entry_metadata_t *md);
qdb_error_t qdb_trim_all(qdb_handle_t handle, int pause_ms, int timeout_ms);
qdb_error_t qdb_trim_entry(qdb_handle_t handle, const char *alias, qdb_uint_t *bytes);
qdb_error_t qdb_purge_cache(qdb_handle_t handle, int timeout_ms);
qdb_error_t qdb_wait_for_stabilization(qdb_handle_t handle, int timeout_ms);
qdb_error_t qdb_cluster_endpoints(qdb_handle_t handle, qdb_remote_node_t **endpoints, qdb_size_t *count);
qdb_error_t qdb_blob_get_noalloc(qdb_handle_t handle, const char *alias, void *content, qdb_size_t *n);
qdb_error_t qdb_string_get_noalloc(qdb_handle_t handle, const char *alias, char *content, qdb_size_t *n);
qdb_error_t qdb_prefix_approximate_count(qdb_handle_t handle, const char *prefix, qdb_uint_t *count);
qdb_error_t qdb_suffix_approximate_count(qdb_handle_t handle, const char *suffix, qdb_uint_t *count);
qdb_error_t qdb_get_tagged_approximate_count(qdb_handle_t handle, const char *tag, qdb_uint_t *count);
qdb_error_t qdb_tag_iterator_begin(qdb_handle_t handle, const char *tag, qdb_const_tag_iterator_t *it);
qdb_error_t qdb_tag_iterator_next(qdb_const_tag_iterator_t *it);
qdb_error_t qdb_tag_iterator_close(qdb_const_tag_iterator_t *it);
qdb_error_t qdb_tag_iterator_copy(const qdb_const_tag_iterator_t *o, qdb_const_tag_iterator_t *c);
qdb_error_t qdb_iterator_rbegin(qdb_handle_t handle, qdb_const_iterator_t *it);
qdb_error_t qdb_iterator_previous(qdb_const_iterator_t *it);
qdb_error_t qdb_iterator_copy(const qdb_const_iterator_t *o, qdb_const_iterator_t *c);
qdb_error_t qdb_coalesce_operations(qdb_handle_t handle, qdb_operation_t *ops, size_t n, qdb_operation_t **out, size_t *outn);
qdb_error_t qdb_option_get_client_max_in_buf_size(qdb_handle_t handle, size_t *n);
qdb_error_t qdb_option_get_cluster_max_in_buf_size(qdb_handle_t handle, size_t *n);
qdb_error_t qdb_option_set_stabilization_max_wait(qdb_handle_t handle, int ms);
qdb_error_t qdb_option_get_stabilization_max_wait(qdb_handle_t handle, int *ms);
qdb_error_t qdb_option_set_transaction_max_wait(qdb_handle_t handle, int ms);
qdb_error_t qdb_option_get_transaction_max_wait(qdb_handle_t handle, int *ms);
qdb_error_t qdb_option_set_max_cardinality(qdb_handle_t handle, qdb_uint_t n);
qdb_error_t qdb_option_get_client_max_parallelism(qdb_handle_t handle, qdb_size_t *n);
qdb_error_t qdb_option_get_connection_per_address_soft_limit(qdb_handle_t handle, qdb_size_t *n);
qdb_error_t qdb_option_get_client_max_batch_load(qdb_handle_t handle, qdb_size_t *n);
qdb_error_t qdb_option_get_client_load_balancing(qdb_handle_t handle, int *on);
qdb_error_t qdb_option_enable_client_load_balancing(qdb_handle_t handle);
qdb_error_t qdb_option_disable_client_load_balancing(qdb_handle_t handle);
qdb_error_t qdb_option_load_security_files(qdb_handle_t handle, const char *cluster_key_file, const char *user_file);
qdb_error_t qdb_option_set_query_max_length(qdb_handle_t handle, qdb_size_t n);
qdb_error_t qdb_option_get_query_max_length(qdb_handle_t handle, qdb_size_t *n);
qdb_error_t qdb_option_set_timezone(qdb_handle_t handle, const char *tz);
qdb_error_t qdb_option_get_timezone(qdb_handle_t handle, const char **tz);
qdb_error_t qdb_option_set_client_soft_memory_limit(qdb_handle_t handle, qdb_uint_t n);
qdb_error_t qdb_option_client_get_memory_info(qdb_handle_t handle, const char **content, qdb_size_t *n);
qdb_error_t qdb_option_client_tidy_memory(qdb_handle_t handle);
qdb_error_t qdb_option_enable_user_properties(qdb_handle_t handle);
qdb_error_t qdb_option_disable_user_properties(qdb_handle_t handle);
typedef size_t qdb_log_callback_id;
typedef void (*qdb_log_callback)(int32_t level, const unsigned long *date, unsigned long pid, unsigned long tid, const char *msg, size_t n);
qdb_error_t qdb_log_add_callback(qdb_log_callback cb, qdb_log_callback_id *id);
qdb_error_t qdb_log_remove_callback(qdb_log_callback_id id);
int qdb_log_option_is_sync(void);
void qdb_log_option_set_sync(int on);

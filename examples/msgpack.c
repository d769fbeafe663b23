/* How do I pass strings and several values, and get several back, as in Python's
 * c, d = f("cat", True)?
 *
 * Bytes travel, so both sides agree on a format: here MessagePack, by msgpack-c. A forkcall_buf is
 * where msgpack-c writes to, on both sides. Exit status 0: the answers are those of the table. */
#include <forkcall.h>

#include <ctype.h>
#include <errno.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_to_buf(void *buf, const char *data, size_t size)
{
    return forkcall_buf_append(buf, data, size);
}

/* ---- In the child: c, d = f(word, shout) ----------------------------------------------------- */

static int answer(const char *word, size_t length, bool shout, struct forkcall_buf *result)
{
    msgpack_packer to;
    char *text = malloc(length);
    if (text == NULL)
        return forkcall_fail(ENOMEM, "no memory for %zu bytes", length);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(shout ? toupper((unsigned char)word[i]) : word[i]);
    msgpack_packer_init(&to, result, write_to_buf);
    msgpack_pack_array(&to, 2);
    msgpack_pack_str(&to, length);
    msgpack_pack_str_body(&to, text, length);
    msgpack_pack_uint64(&to, length);
    free(text);
    return 0; /* if an append has failed, the call fails all the same */
}

static int f(const void *args, size_t args_size, struct forkcall_buf *result)
{
    msgpack_unpacked got;
    int code = 0;
    msgpack_unpacked_init(&got);
    const bool whole = msgpack_unpack_next(&got, args, args_size, NULL) == MSGPACK_UNPACK_SUCCESS;
    const msgpack_object_array *values = &got.data.via.array;
    if (!whole || got.data.type != MSGPACK_OBJECT_ARRAY || values->size != 2 ||
        values->ptr[0].type != MSGPACK_OBJECT_STR || values->ptr[1].type != MSGPACK_OBJECT_BOOLEAN)
        code = forkcall_fail(EINVAL, "a string and a truth value are wanted");
    else if (values->ptr[0].via.str.size == 0)
        code = forkcall_fail(EINVAL, "which word?");
    else
        code = answer(values->ptr[0].via.str.ptr, values->ptr[0].via.str.size, values->ptr[1].via.boolean, result);
    msgpack_unpacked_destroy(&got);
    return code;
}

/* ---- In the caller --------------------------------------------------------------------------- */

static bool pack(struct forkcall_buf *args, const char *word, bool shout)
{
    msgpack_packer to;
    msgpack_packer_init(&to, args, write_to_buf);
    return msgpack_pack_array(&to, 2) == 0 && msgpack_pack_str(&to, strlen(word)) == 0 &&
           msgpack_pack_str_body(&to, word, strlen(word)) == 0 &&
           (shout ? msgpack_pack_true(&to) : msgpack_pack_false(&to)) == 0;
}

/* The bytes come from another process, so they are checked as any input is. */
static bool print(const struct forkcall_buf *result)
{
    msgpack_unpacked got;
    msgpack_unpacked_init(&got);
    const bool whole = msgpack_unpack_next(&got, result->data, result->size, NULL) == MSGPACK_UNPACK_SUCCESS;
    const msgpack_object_array *values = &got.data.via.array;
    const bool good = whole && got.data.type == MSGPACK_OBJECT_ARRAY && values->size == 2 &&
                      values->ptr[0].type == MSGPACK_OBJECT_STR &&
                      values->ptr[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    if (good)
        printf("c is %.*s, d is %llu\n", (int)values->ptr[0].via.str.size, values->ptr[0].via.str.ptr,
               (unsigned long long)values->ptr[1].via.u64);
    msgpack_unpacked_destroy(&got);
    return good;
}

/* Returns whether c, d = f(word, shout) worked. */
static bool ask(const char *word, bool shout)
{
    struct forkcall_buf args = FORKCALL_BUF_INIT;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {.timeout_ms = 10000};
    bool good = pack(&args, word, shout);
    if (!good) {
        fprintf(stderr, "no memory for the arguments\n");
    } else {
        const struct forkcall_report report = forkcall_run(f, args.data, args.size, &result, &options);
        good = report.status == FORKCALL_OK && print(&result);
        if (!good)
            printf("%s: %s\n", forkcall_status_name(report.status), report.message);
    }
    forkcall_buf_free(&result);
    forkcall_buf_free(&args);
    return good;
}

int main(void)
{
    forkcall_init();
    const bool right = ask("cat", true) && ask("a much longer word, of any length", false) && !ask("", true);
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

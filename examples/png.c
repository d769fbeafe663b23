/* How do I decode a file that I do not trust?
 *
 *     png [--expect TEXT] FILE ...
 *
 * libpng decodes each file in a child, which has limits on its memory, its processor time and its
 * answer. A corrupt or hostile file costs this program nothing but an error. Exit status 0: each
 * file was decoded or, after --expect, the line printed for it contains TEXT. */
#include <forkcall.h>

#include <errno.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* AddressSanitizer reserves terabytes of addresses: a build with it sets this to 0, no limit. */
#ifndef ADDRESS_SPACE_LIMIT
#define ADDRESS_SPACE_LIMIT (512u << 20)
#endif

/* The answer: the caller wants these few numbers, so the pixels stay in the child. */
struct summary {
    uint32_t width, height;
    uint8_t mean[3]; /* red, green, blue */
};

/* libpng forbids this function to return. The usual way out is longjmp() to a setjmp() in the
 * caller, which needs volatile locals and a clean-up path of its own. forkcall_throw() does the
 * same from any depth: the call ends as FORKCALL_FAILED with libpng's own words, and all that
 * libpng holds is freed with the child. */
static void on_error(png_structp png, png_const_charp text)
{
    (void)png;
    forkcall_throw(EBADMSG, "%s", text);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png, (void)text;
}

static void read_pixels(png_structp png, png_bytep pixels, size_t stride, uint32_t height, int passes)
{
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < height; y++)
            png_read_row(png, pixels + y * stride, NULL);
    png_read_end(png, NULL);
}

static void summarise(struct summary *summary, const png_byte *pixels, size_t stride)
{
    const uint64_t count = (uint64_t)summary->width * summary->height;
    uint64_t sum[3] = {0, 0, 0};

    if (count == 0)
        forkcall_throw(EBADMSG, "no pixels");
    for (uint32_t y = 0; y < summary->height; y++)
        for (size_t x = 0; x < summary->width; x++)
            for (size_t colour = 0; colour < 3; colour++)
                sum[colour] += pixels[y * stride + x * 3 + colour];
    for (size_t colour = 0; colour < 3; colour++)
        summary->mean[colour] = (uint8_t)((sum[colour] + count / 2) / count);
}

/* Decodes the open file. Ends the call on an error. */
static void decode(FILE *file, struct summary *summary)
{
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
    if (info == NULL)
        forkcall_throw(ENOMEM, "no memory for libpng");

    png_init_io(png, file);
    png_read_info(png, info);
    /* Converts every kind of image to 8 bits each of red, green and blue. */
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);

    summary->width = png_get_image_width(png, info);
    summary->height = png_get_image_height(png, info);
    const size_t stride = png_get_rowbytes(png, info);
    png_bytep pixels = calloc(summary->height, stride);
    if (pixels == NULL)
        forkcall_throw(ENOMEM, "no memory for %u x %u pixels", (unsigned)summary->width, (unsigned)summary->height);
    read_pixels(png, pixels, stride, summary->height, passes);
    summarise(summary, pixels, stride);
    free(pixels);
    png_destroy_read_struct(&png, &info, NULL);
}

/* Runs in the child. args is the name of the file. */
static int summarise_file(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct summary summary = {0};
    FILE *file = fopen(args, "rb");
    (void)args_size;
    if (file == NULL)
        return forkcall_fail(errno, "cannot open it: %s", strerror(errno));
    decode(file, &summary);
    (void)fclose(file);
    return forkcall_buf_append(result, &summary, sizeof summary);
}

/* Prints the line for one file. True: the line is as expected. */
static bool show(const char *name, const char *expected)
{
    const struct forkcall_options options = {
        .timeout_ms = 20000,
        .max_result = sizeof(struct summary),
        .limits = {.address_space_bytes = ADDRESS_SPACE_LIMIT, .cpu_seconds = 10},
    };
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = forkcall_run(summarise_file, name, strlen(name) + 1, &result, &options);
    const bool decoded = report.status == FORKCALL_OK && result.size == sizeof(struct summary);
    char line[512];

    if (decoded) {
        const struct summary *summary = result.data;
        (void)snprintf(line, sizeof line, "%u x %u pixels, mean colour #%02x%02x%02x", (unsigned)summary->width,
                       (unsigned)summary->height, summary->mean[0], summary->mean[1], summary->mean[2]);
    } else {
        (void)snprintf(line, sizeof line, "%s: %s", forkcall_status_name(report.status), report.message);
    }
    printf("%s: %s\n", name, line);
    forkcall_buf_free(&result);
    return expected != NULL ? strstr(line, expected) != NULL : decoded;
}

int main(int argc, char **argv)
{
    int unexpected = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: %s [--expect TEXT] FILE ...\n", argv[0]);
        return EXIT_FAILURE;
    }
    for (int i = 1; i < argc; i++) {
        const char *expected = NULL;
        if (strcmp(argv[i], "--expect") == 0 && i + 2 < argc) {
            expected = argv[i + 1];
            i += 2;
        }
        unexpected += !show(argv[i], expected);
    }
    return unexpected == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
